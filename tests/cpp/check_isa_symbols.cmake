# Every symbol that the object files of one instruction set define must carry its namespace. A weak
# one from elsewhere, say an inline function of the standard library, would be shared: the linker
# keeps a single copy, and one compiled for AVX-512 crashes older machines.
#
#   cmake -DNM=nm -DISA=avx2 "-DOBJECTS=a.o|b.o" -P check_isa_symbols.cmake
string(LENGTH "${ISA}" length)
set(namespace "6nncore7kernels${length}${ISA}")
string(REPLACE "|" ";" objects "${OBJECTS}")
set(found 0)
foreach(object IN LISTS objects)
  execute_process(COMMAND "${NM}" --defined-only "${object}" OUTPUT_VARIABLE output
                  COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]+" lines "${output}")
  foreach(line IN LISTS lines)
    # Capital letters are visible to the linker; u, v and w are unique and weak ones.
    if(NOT line MATCHES " [A-Zuvw] (.+)$")
      continue()
    endif()
    set(symbol "${CMAKE_MATCH_1}")
    if(symbol MATCHES "${namespace}")
      math(EXPR found "${found} + 1")
    elseif(NOT symbol MATCHES "^(DW\\.ref\\.|__odr_asan)")  # the sanitizers' own
      message(SEND_ERROR "${object} defines ${symbol}, which is outside the namespace "
                         "nncore::kernels::${ISA}")
    endif()
  endforeach()
endforeach()
if(found EQUAL 0)
  message(FATAL_ERROR "no symbol of nncore::kernels::${ISA} was found: this check checks nothing")
endif()
message(STATUS "${ISA}: ${found} symbols, all in nncore::kernels::${ISA}")
