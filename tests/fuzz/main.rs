//! The fuzzer: libFuzzer's main before one of the targets, which FUZZ_TARGET names. `tests/fuzz/run` builds and runs it.

#![no_main]

mod targets;

use std::sync::LazyLock;

/// One program for all, so that the crate is linked once.
static TARGET: LazyLock<targets::Target> = LazyLock::new(|| {
    let wanted = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let found = targets::ALL.into_iter().find(|(name, _)| *name == wanted);
    let names = targets::ALL.map(|(name, _)| name).join(", ");
    found.unwrap_or_else(|| panic!("FUZZ_TARGET is none of {names}")).1
});

/// What libFuzzer calls for each input. A panic can't leave it, so it ends the process, and libFuzzer keeps the input.
///
/// The only unsafe lines around: the C interface leaves no other way, and they are in no program that is shipped.
#[unsafe(no_mangle)]
pub extern "C" fn LLVMFuzzerTestOneInput(data: *const u8, size: usize) -> i32 {
    let input = match size {
        0 => &[],
        // SAFETY: libFuzzer gives `size` bytes that stay as they are until this returns.
        _ => unsafe { std::slice::from_raw_parts(data, size) },
    };
    TARGET(input);
    0
}
