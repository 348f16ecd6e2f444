#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| leakprint_fuzz::run("mbox", data));
