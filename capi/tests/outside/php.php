<?php
// PHP's binding, from Debian: a question, its answer, and polling. Started by ci/capi.
$context = new ZMQContext();
$rep = new ZMQSocket($context, ZMQ::SOCKET_REP);
$req = new ZMQSocket($context, ZMQ::SOCKET_REQ);
$rep->bind('tcp://127.0.0.1:*');
$req->connect($rep->getSockOpt(ZMQ::SOCKOPT_LAST_ENDPOINT));

$req->sendMulti(['hello', 'PHP']);
$poll = new ZMQPoll();
$poll->add($rep, ZMQ::POLL_IN);
$readable = $writable = [];
if ($poll->poll($readable, $writable, 20000) !== 1 || $readable !== [$rep]) {
    exit("PHP: nothing to receive\n" . var_export(count($readable), true));
}
if ($rep->recvMulti() !== ['hello', 'PHP'] || $rep->getSockOpt(ZMQ::SOCKOPT_RCVMORE)) {
    exit("PHP: not what was sent\n");
}
try {
    $rep->recv();
    exit("PHP: a REP answers first\n");
} catch (ZMQSocketException $error) {
    $rep->send($error->getMessage());
}
echo 'PHP: ', ZMQ::LIBZMQ_VER, ', ', $req->recv(), "\n";
