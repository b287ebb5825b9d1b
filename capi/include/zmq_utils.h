/* What was in here is in zmq.h. */
#include "zmq.h"
