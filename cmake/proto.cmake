# C of every file below proto/ (protobuf-c), and the descriptor set that reflection serves.
find_program(PROTOC protoc REQUIRED)
find_program(PROTOC_C protoc-c REQUIRED)
find_path(PROTO_WELL_KNOWN google/protobuf/empty.proto REQUIRED)

file(GLOB_RECURSE protos CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/proto
  ${CMAKE_SOURCE_DIR}/proto/*.proto)
set(PROTO_OUT ${CMAKE_BINARY_DIR}/proto)
file(MAKE_DIRECTORY ${PROTO_OUT})
set(proto_path -I ${CMAKE_SOURCE_DIR}/proto -I ${PROTO_WELL_KNOWN})
foreach(file ${protos} google/protobuf/empty.proto google/protobuf/wrappers.proto
    google/protobuf/struct.proto google/protobuf/timestamp.proto google/protobuf/duration.proto)
  string(REGEX REPLACE "\\.proto$" ".pb-c" base ${file})
  set(input ${CMAKE_SOURCE_DIR}/proto/${file})
  if(file MATCHES "^google/protobuf/")
    set(input ${PROTO_WELL_KNOWN}/${file})
  endif()
  add_custom_command(OUTPUT ${PROTO_OUT}/${base}.c ${PROTO_OUT}/${base}.h
    COMMAND ${PROTOC_C} ${proto_path} --c_out=${PROTO_OUT} ${file} DEPENDS ${input} VERBATIM)
  list(APPEND proto_sources ${PROTO_OUT}/${base}.c)
endforeach()

set(all_protos ${protos})
list(TRANSFORM all_protos PREPEND ${CMAKE_SOURCE_DIR}/proto/)
add_custom_command(OUTPUT ${PROTO_OUT}/descriptors.bin DEPENDS ${all_protos} VERBATIM
  COMMAND ${PROTOC} ${proto_path} --include_imports --descriptor_set_out=${PROTO_OUT}/descriptors.bin
    ${protos})

# Generated: our warnings are not for it, nor for the macros of its headers.
add_library(proto STATIC ${proto_sources})
target_compile_options(proto PRIVATE -w PUBLIC "SHELL:-isystem ${CMAKE_BINARY_DIR}"
  "SHELL:-isystem ${PROTO_OUT}")
target_link_libraries(proto PUBLIC PkgConfig::PROTOBUF_C)
