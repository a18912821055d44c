"""Scripts that travel with a package and ask its own runtime. They import nothing of ours."""
