# The raft engine, where cargo and the crates are at hand; without them nothing fails, and one line
# says what is left out. The archive is shared by all presets: it is built once, optimised.
find_program(CARGO cargo)
set(raft_folder ${CMAKE_SOURCE_DIR}/src/consensus/raft)
set(raft_crates ${CMAKE_SOURCE_DIR}/build/crates) # see vendor.sh; else cargo's own store
set(raft_sources --offline)
if(EXISTS ${raft_crates})
  list(APPEND raft_sources --config "source.crates-io.replace-with='vendor'"
    --config "source.vendor.directory='${raft_crates}'")
endif()
set(raft_missing "cargo is not installed")
if(CARGO)
  execute_process(COMMAND ${CARGO} metadata --locked ${raft_sources} --format-version 1
    WORKING_DIRECTORY ${raft_folder} RESULT_VARIABLE raft_missing OUTPUT_QUIET ERROR_QUIET)
  if(raft_missing)
    set(raft_missing "the crates are not here, src/consensus/raft/vendor.sh fetches them")
  endif()
endif()
if(raft_missing)
  message(STATUS "skipped: the raft engine and its tests, ${raft_missing}")
  return()
endif()

set(raft_archive ${CMAKE_SOURCE_DIR}/build/cargo/release/libconsensus.a)
file(GLOB raft_files CONFIGURE_DEPENDS ${raft_folder}/src/*.rs ${raft_folder}/Cargo.*)
add_custom_command(OUTPUT ${raft_archive}
  COMMAND ${CARGO} build --quiet --release --locked ${raft_sources}
    --target-dir ${CMAKE_SOURCE_DIR}/build/cargo
  WORKING_DIRECTORY ${raft_folder} DEPENDS ${raft_files} VERBATIM)
add_custom_target(raft_archive DEPENDS ${raft_archive})
add_library(consensus_raft INTERFACE)
target_include_directories(consensus_raft INTERFACE src)
target_link_libraries(consensus_raft INTERFACE ${raft_archive} base)
add_dependencies(consensus_raft raft_archive)

# A program of tests/ that runs over raft; its sources come behind the name.
function(add_raft_test name)
  add_executable(${name} ${ARGN})
  target_include_directories(${name} PRIVATE tests src)
  target_link_libraries(${name} PRIVATE memory_log journal consensus_raft sys_uv base)
endfunction()

add_raft_test(test_consensus_one_raft tests/unit/test_consensus_one.c)
add_raft_test(test_raft_cluster tests/raft/test_raft_cluster.c tests/raft/events.c)
add_raft_test(test_raft_step tests/raft/test_raft_step.c)
add_raft_test(test_raft_reads tests/raft/test_raft_reads.c)
add_raft_test(exchange_raft tests/raft/exchange.c)
add_executable(exchange_solo tests/raft/exchange.c)
target_include_directories(exchange_solo PRIVATE tests)
target_link_libraries(exchange_solo PRIVATE journal consensus_solo sys_uv base)
add_test(NAME raft/test_consensus_one_raft COMMAND test_consensus_one_raft)
add_test(NAME raft/test_raft_cluster COMMAND test_raft_cluster 1 20 10)
add_test(NAME raft/test_raft_step COMMAND test_raft_step 1 2)
add_test(NAME raft/test_raft_reads COMMAND test_raft_reads)
foreach(turns "exchange_solo;exchange_raft" "exchange_raft;exchange_solo")
  list(GET turns 0 one)
  list(GET turns 1 other)
  add_test(NAME raft/${one}_first COMMAND ${CMAKE_SOURCE_DIR}/tests/raft/exchange.sh
    $<TARGET_FILE:${one}> $<TARGET_FILE:${other}>)
endforeach()
set_tests_properties(raft/test_consensus_one_raft raft/test_raft_cluster raft/test_raft_step
  raft/test_raft_reads raft/exchange_solo_first raft/exchange_raft_first
  PROPERTIES LABELS raft TIMEOUT 900)

# A whole node of the simulated world, ordered by raft.
foreach(name test_power test_order)
  add_executable(${name}_raft tests/sim/${name}.c tests/sim/node_world.c tests/sim/history.c)
  target_include_directories(${name}_raft PRIVATE tests)
  target_link_libraries(${name}_raft PRIVATE router shard model journal consensus_raft
    engine_standin engine_memory engine sys_sim base)
  add_test(NAME raft/${name}_raft COMMAND ${name}_raft)
  set_tests_properties(raft/${name}_raft PROPERTIES LABELS raft TIMEOUT 900)
endforeach()
