#!/bin/sh
# stage.sh PREFIX: builds the C library in release and lays out a prefix:
#   lib/libzmq.so.5 (and libzmq.so), lib/libzmq.a, include/zmq.h, lib/pkgconfig, lib/cmake/ZeroMQ
set -eu
[ $# -eq 1 ] || {
    echo 'usage: sh capi/stage.sh PREFIX' >&2
    exit 2
}
mkdir -p "$1"
prefix=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."

cargo build --release --package hubless-capi
built=${CARGO_TARGET_DIR:-target}/release
version=4.3.6

mkdir -p "$prefix/lib/pkgconfig" "$prefix/lib/cmake/ZeroMQ" "$prefix/include"
rm -f "$prefix/lib/libzmq.so.5" "$prefix/lib/libzmq.so"
cp "$built/libzmq.so" "$prefix/lib/libzmq.so.5"
ln -s libzmq.so.5 "$prefix/lib/libzmq.so"
cp "$built/libzmq.a" "$prefix/lib/libzmq.a"
cp capi/include/zmq.h capi/include/zmq_utils.h "$prefix/include/"

cat >"$prefix/lib/pkgconfig/libzmq.pc" <<END
prefix=$prefix
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: libzmq
Description: hubless behind the C interface of libzmq
Version: $version
Libs: -L\${libdir} -lzmq
Libs.private: -lpthread -ldl -lm
Cflags: -I\${includedir}
END

cat >"$prefix/lib/cmake/ZeroMQ/ZeroMQConfig.cmake" <<'END'
# The targets libzmq (shared) and libzmq-static.
get_filename_component(_zmq_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(ZeroMQ_INCLUDE_DIR "${_zmq_prefix}/include")
set(ZeroMQ_LIBRARY libzmq)
set(ZeroMQ_STATIC_LIBRARY libzmq-static)
set(ZeroMQ_FOUND TRUE)
if(NOT TARGET libzmq)
  add_library(libzmq SHARED IMPORTED)
  set_target_properties(libzmq PROPERTIES
    IMPORTED_LOCATION "${_zmq_prefix}/lib/libzmq.so.5"
    IMPORTED_SONAME libzmq.so.5
    INTERFACE_INCLUDE_DIRECTORIES "${_zmq_prefix}/include")
  add_library(libzmq-static STATIC IMPORTED)
  set_target_properties(libzmq-static PROPERTIES
    IMPORTED_LOCATION "${_zmq_prefix}/lib/libzmq.a"
    INTERFACE_LINK_LIBRARIES "pthread;dl;m"
    INTERFACE_INCLUDE_DIRECTORIES "${_zmq_prefix}/include")
endif()
END
cat >"$prefix/lib/cmake/ZeroMQ/ZeroMQConfigVersion.cmake" <<END
set(PACKAGE_VERSION $version)
if(PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
END
echo "staged in $prefix"
