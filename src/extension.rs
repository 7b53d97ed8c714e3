//! The leaves that `c/extension.c`, the PHP side of the loadable module, calls. All work is done in [`Module`].
#![allow(unsafe_code, reason = "the functions that PHP's side of the module calls")]

use crate::embed::{Module, ModuleError};
use crate::ffi::{LeafOwner, igor_pair, leaf};
use std::ffi::{CStr, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// The value behind the pointer that C holds from the module's start to its end.
struct Loaded {
    /// `None` before the start and after the end, and if the configuration could not be loaded.
    module: Option<Module>,
    /// The last error, NUL-terminated; empty: none.
    error: Vec<u8>,
    /// The result of the last call of `host_extension_describe()`.
    row: (String, String),
}

impl Loaded {
    /// Keeps the message for PHP, which reads it as a C string: a NUL in it is written as `\0`.
    fn fail(&mut self, error: &ModuleError) {
        self.error = error.to_string().replace('\0', "\\0").into_bytes();
        self.error.push(0);
    }
}

impl LeafOwner for Loaded {
    fn note_panic(&mut self, call: &'static str) {
        // The panic may have come from the log.
        eprintln!("igor: a panic in {call} was caught; this is a defect of igor");
    }
}

/// Reads the configuration. The result is null only if a panic was caught.
#[unsafe(no_mangle)]
extern "C" fn host_extension_load(path: *const c_char) -> *mut c_void {
    catch_unwind(|| {
        // SAFETY: C passes the value of a setting, which ends with NUL and lives during the call.
        let path = unsafe { CStr::from_ptr(path) };
        let mut loaded = Box::new(Loaded { module: None, error: Vec::new(), row: Default::default() });
        match Module::load(Path::new(OsStr::from_bytes(path.to_bytes()))) {
            Ok(module) => loaded.module = Some(module),
            Err(error) => loaded.fail(&error),
        }
        Box::into_raw(loaded).cast()
    })
    .unwrap_or(std::ptr::null_mut())
}

#[unsafe(no_mangle)]
extern "C" fn host_extension_free(extension: *mut c_void) {
    // SAFETY: the pointer came from the box in `host_extension_load`, and C no longer uses it.
    let loaded = unsafe { Box::from_raw(extension.cast::<Loaded>()) };
    if catch_unwind(AssertUnwindSafe(|| drop(loaded))).is_err() {
        eprintln!("igor: a panic in host_extension_free was caught; this is a defect of igor");
    }
}

leaf! {
    for Loaded;
    fn host_extension_error(loaded) -> *const c_char, on_panic std::ptr::null(), {
        if loaded.error.is_empty() { std::ptr::null() } else { loaded.error.as_ptr().cast() }
    }
}

leaf! {
    for Loaded;
    fn host_extension_start(loaded) -> bool, on_panic false, {
        let Some(module) = &mut loaded.module else { return false };
        match module.start() {
            Ok(()) => true,
            Err(error) => {
                loaded.fail(&error);
                false
            }
        }
    }
}

leaf! {
    for Loaded;
    fn host_extension_stop(loaded) -> bool, on_panic false, {
        loaded.module.as_ref().is_none_or(|module| module.stop())
    }
}

leaf! {
    for Loaded;
    fn host_extension_end(loaded) -> (), on_panic (), {
        if let Some(module) = &mut loaded.module {
            module.end();
        }
    }
}

leaf! {
    for Loaded;
    fn host_extension_describe(loaded, index: usize, pair: *mut igor_pair) -> bool, on_panic false, {
        let rows = loaded.module.as_ref().map(Module::describe).unwrap_or_default();
        let Some(row) = rows.into_iter().nth(index) else { return false };
        loaded.row = row;
        let (name, value) = &loaded.row;
        let described = igor_pair {
            name: name.as_ptr().cast(),
            name_len: name.len(),
            value: value.as_ptr().cast(),
            value_len: value.len(),
        };
        // SAFETY: C passes its own local value.
        unsafe { pair.write(described) };
        true
    }
}

/// The function that PHP calls in a shared object to get its module.
#[cfg(feature = "extension")]
#[unsafe(no_mangle)]
extern "C" fn get_module() -> *const c_void {
    // SAFETY: the function returns the address of a static structure.
    unsafe { crate::ffi::shim_extension_entry() }
}
