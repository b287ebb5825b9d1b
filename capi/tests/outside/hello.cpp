// A message of two parts, by cppzmq. Built and run by ci/capi.
#include <array>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <vector>
#include <zmq.hpp>
#include <zmq_addon.hpp>

int main()
{
    zmq::context_t context;
    zmq::socket_t pull(context, zmq::socket_type::pull);
    zmq::socket_t push(context, zmq::socket_type::push);
    pull.bind("tcp://127.0.0.1:*");
    push.connect(pull.get(zmq::sockopt::last_endpoint));
    const std::array<zmq::const_buffer, 2> said{zmq::str_buffer("hello"), zmq::str_buffer("world")};
    zmq::send_multipart(push, said);

    std::vector<zmq::message_t> parts;
    if (!zmq::recv_multipart(pull, std::back_inserter(parts)) || parts.size() != 2
        || parts[0].to_string() != "hello" || parts[1].to_string() != "world") {
        return EXIT_FAILURE;
    }
    try {
        push.connect("nonsense");
        return EXIT_FAILURE;
    } catch (const zmq::error_t &error) {
        std::cout << "C++: " << error.what() << '\n';
    }
    return EXIT_SUCCESS;
}
