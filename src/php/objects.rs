//! Answers the snapshot code's questions about objects, by asking the engine.

use crate::ffi;
use crate::vars::Objects;
use crate::vars::layout::ZString;
use std::ffi::c_void;
use std::ptr;

/// The engine of the calling PHP thread.
pub(super) struct EngineObjects;

impl Objects for EngineObjects {
    fn enum_case(&self, object: *const c_void) -> Option<(*const ZString, *const ZString)> {
        let (mut class_name, mut case_name) = (ptr::null(), ptr::null());
        // SAFETY: the object is alive: it is in the array that is being published by this thread.
        let found = unsafe { ffi::shim_enum_case(object, &raw mut class_name, &raw mut case_name) };
        found.then_some((class_name.cast(), case_name.cast()))
    }

    fn class_name(&self, object: *const c_void) -> String {
        // SAFETY: as above; the class name lives as long as the class.
        let bytes = unsafe { ZString::bytes(ffi::shim_class_name(object).cast()) };
        // Names of anonymous classes contain a NUL and the place of declaration.
        let shown = bytes.split(|&byte| byte == 0).next().unwrap_or(bytes);
        String::from_utf8_lossy(shown).into_owned()
    }
}
