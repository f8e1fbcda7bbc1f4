//! Benchmarks: Criterion benches of kernels and codecs in `benches/`, and `limits`, which measures what this machine
//! and the plain codec libraries can do, for the side-by-side runs of `scripts/bench-peers`.
