# Writes a C file with the bytes of INPUT behind a function: cmake -DINPUT= -DOUTPUT= -DHEADER=
# -DNAME= -P embed.cmake
file(READ "${INPUT}" bytes HEX)
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE "${OUTPUT}" "/* Made of ${NAME} by tools/embed.cmake. */
#include \"${HEADER}\"

struct slice ${NAME}(void)
{
    static const uint8_t bytes[] = {
${bytes}};
    return slice_of(bytes, sizeof(bytes));
}
")
