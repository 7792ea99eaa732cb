// The object of peftbench_pch: only its precompiled header is of use.
