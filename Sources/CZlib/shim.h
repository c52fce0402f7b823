// What is compressed is only read: without this zlib takes its input as mutable.
#define ZLIB_CONST
#include <zlib.h>
