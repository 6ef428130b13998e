"""Side-by-side benchmarks: `./dev bench`."""
