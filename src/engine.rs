//! The program that does what `tapvault` does not do itself: everything is in the library, so that it can be tested.

fn main() -> std::process::ExitCode {
    tapvault::cli::engine::main()
}
