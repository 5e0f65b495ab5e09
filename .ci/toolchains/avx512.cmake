# AVX-512's kernels on a machine that has only AVX2: SIMDe makes their operations of AVX2's.
set(NNCORE_EMULATE_AVX512 ON CACHE BOOL "")
set(NNCORE_ISAS avx512 baseline CACHE STRING "")
