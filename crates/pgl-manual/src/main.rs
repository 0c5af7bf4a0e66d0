//! The generator behind `cargo xtask gen`; everything is in the library.
fn main() -> std::process::ExitCode {
    pgl_manual::main()
}
