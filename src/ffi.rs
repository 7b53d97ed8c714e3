//! The shim's contract (`c/shim.h`) as bindgen reads it. `c/shim.h` says what each item means.
#![allow(unsafe_code, reason = "generated declarations of C functions")]
#![allow(missing_docs, reason = "documented in c/shim.h")]
#![allow(non_camel_case_types, non_upper_case_globals, unreachable_pub, dead_code, reason = "generated")]
#![allow(clippy::all, clippy::undocumented_unsafe_blocks, reason = "generated")]

include!(concat!(env!("OUT_DIR"), "/shim.rs"));
