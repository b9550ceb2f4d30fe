//! The program that is typed: everything is in the library, so that it can be tested.

fn main() -> std::process::ExitCode {
    tapvault::cli::front::main()
}
