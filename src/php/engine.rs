//! Start and stop of the PHP engine: once per process, on one thread.

use super::timer::{Reserved, TimeLimits};
use crate::ffi::{self, igor_opcache_usage};
use crate::signals::SignalMask;
use ext_php_rs::ffi::{HashTable, sapi_headers_struct, sapi_module_struct};
use once_cell::sync::OnceCell;
use std::ffi::{CStr, CString, NulError, OsString, c_char, c_int, c_void};
use std::io;
use std::marker::PhantomData;
use std::mem::transmute;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The settings of the engine.
#[derive(Debug, Clone, Default)]
pub struct EngineOptions {
    /// php.ini directives that win over every file.
    pub ini: Vec<(String, String)>,
    /// Lines in php.ini's syntax, which win over `ini`.
    pub ini_lines: Vec<OsString>,
    /// The php.ini file, or the folder with one; `None`: PHP's own search.
    pub ini_path: Option<PathBuf>,
    /// Reads no php.ini at all (`php -n`).
    pub ignore_ini: bool,
    /// `phpinfo()` writes plain text, for a terminal.
    pub text_info: bool,
    /// Keeps PHP's own defaults for showing errors, instead of a server's.
    pub stock_defaults: bool,
    /// The most PHP threads that will run.
    pub threads: usize,
    /// The program that `PHP_BINARY` names; `None`: this one.
    pub executable: Option<PathBuf>,
}

/// Facts about the running engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// For example `8.4.10`.
    pub php_version: String,
    /// The php.ini that was read.
    pub loaded_ini: Option<String>,
    /// Whether PHP was configured with `--enable-debug`.
    pub debug: bool,
    /// Whether the opcache extension is loaded.
    pub opcache_loaded: bool,
    /// Whether opcache really caches scripts.
    pub opcache_enabled: bool,
    /// Whether opcache restarts only when no PHP thread uses its memory.
    pub opcache_guarded: bool,
    /// Whether the JIT compiles.
    pub jit_enabled: bool,
}

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is one engine per process, and it cannot start again.
    #[error("starting PHP: this process has started its engine before, which it can do once")]
    AlreadyStarted,
    /// PHP refused, and has logged the reason.
    #[error("starting PHP: the engine refused to start; the messages before this one say why")]
    Refused,
    /// The system lacks a resource that PHP cannot run without.
    #[error("starting PHP: {0}")]
    System(#[from] io::Error),
    /// A setting cannot be passed to PHP.
    #[error("starting PHP: a php.ini setting holds a NUL byte ({0})")]
    Nul(#[from] NulError),
}

/// Never reset: PHP cannot be started a second time in a process.
static STARTED: AtomicBool = AtomicBool::new(false);
/// Whether PHP threads may be started.
static RUNS: AtomicBool = AtomicBool::new(false);
/// The signals that the thread that started the engine had blocked.
static MASK_OF_PROCESS: OnceCell<SignalMask> = OnceCell::new();

/// The signals that PHP threads block, and programs that scripts start. `None`: the engine belongs to another program.
pub(super) fn mask_of_process() -> Option<&'static SignalMask> {
    MASK_OF_PROCESS.get()
}

/// Whether an engine runs for PHP threads.
pub(super) fn runs() -> bool {
    RUNS.load(Ordering::Acquire)
}

/// The program that has loaded the module has its own engine, which runs while the module is used.
pub(crate) fn engine_of_the_program_runs() {
    RUNS.store(true, Ordering::Release);
}

/// Threads that run on the engine's memory, or are about to.
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// The number of PHP threads that were started and have not ended.
fn live() -> usize {
    LIVE.load(Ordering::Acquire)
}

/// Counts a thread while it uses the engine.
pub(super) struct Live;

impl Live {
    pub(super) fn new() -> Self {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Release);
    }
}

/// The running engine. Stays on the thread that started it, and stops when dropped; every PHP thread must have been
/// joined by then. If one has not, after a panic for example, the process ends at once with [`EXIT_STUCK`]: stopping
/// the engine would free the memory of that thread.
pub struct Engine {
    /// Read once, right after the start.
    info: EngineInfo,
    /// PHP keeps pointers into these.
    _kept: Box<Kept>,
    /// Ends scripts at their deadlines; absent while the engine starts.
    time_limits: Option<TimeLimits>,
    /// Stopping the engine must happen on the thread that has started it.
    _not_send: PhantomData<*const ()>,
}

/// What the engine reads until it has stopped. Boxed, because PHP keeps the addresses.
struct Kept {
    sapi: sapi_module_struct,
    /// The lines for php.ini, to which `sapi.ini_entries` points.
    _ini: CString,
    /// The path of php.ini, to which `sapi.php_ini_path_override` points.
    _ini_path: Option<CString>,
    /// The path of the program, to which `sapi.executable_location` points.
    _executable: Option<CString>,
}

impl Engine {
    /// Starts the engine on this thread.
    ///
    /// # Errors
    /// See [`EngineError`].
    pub fn start(options: &EngineOptions) -> Result<Self, EngineError> {
        let ini = CString::new(ini_text(&options.ini, &options.ini_lines))?;
        let ini_path = options.ini_path.as_ref().map(|path| CString::new(path.as_os_str().as_encoded_bytes()));
        let ini_path = ini_path.transpose()?;
        let executable = options.executable.clone().or_else(|| std::env::current_exe().ok());
        let executable = executable.and_then(|path| CString::new(path.into_os_string().into_encoded_bytes()).ok());
        drop(Reserved::new()?);
        if STARTED.swap(true, Ordering::SeqCst) {
            return Err(EngineError::AlreadyStarted);
        }
        let mut sapi = sapi_module(&ini, ini_path.as_deref(), executable.as_deref(), options.ignore_ini);
        sapi.phpinfo_as_text = i32::from(options.text_info);
        if options.stock_defaults {
            sapi.ini_defaults = None;
        }
        let mut kept = Box::new(Kept { sapi, _ini: ini, _ini_path: ini_path, _executable: executable });
        let mut info = ffi::igor_engine_info::default();
        let threads = i32::try_from(options.threads).unwrap_or(i32::MAX);
        // SAFETY: no PHP code runs yet.
        let outside = unsafe { ffi::Outside::new() };
        // SAFETY: the description and its strings live in `kept` until the engine has stopped; this is the only start.
        let started = unsafe { outside.engine_start((&raw mut kept.sapi).cast(), threads, &raw mut info) };
        if started != 0 {
            return Err(EngineError::Refused);
        }
        MASK_OF_PROCESS.get_or_init(SignalMask::current);
        RUNS.store(true, Ordering::Release);
        let info = EngineInfo::from(&info);
        super::release::set_running_release(&info.php_version);
        let mut engine = Self { info, _kept: kept, time_limits: None, _not_send: PhantomData };
        // Not before: opcache searches a gap between the mappings of the process and maps its memory there (MAP_FIXED).
        // A new thread's memory may be mapped there by then.
        engine.time_limits = Some(TimeLimits::start()?);
        Ok(engine)
    }

    /// Returns the facts about the engine.
    pub fn info(&self) -> &EngineInfo {
        &self.info
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let threads = live();
        if threads > 0 {
            tracing::error!(threads, "PHP is to stop while PHP threads still run; the process ends at once instead");
            exit_at_once(EXIT_STUCK);
        }
        RUNS.store(false, Ordering::Release);
        // SAFETY: no PHP thread is left, and no PHP code runs on this one.
        let outside = unsafe { ffi::Outside::new() };
        // SAFETY: the engine was started by this thread (the value cannot leave it) and is stopped once.
        unsafe { outside.engine_stop() };
        drop(self.time_limits.take());
    }
}

/// The exit status of a process that ends while PHP threads still run.
pub const EXIT_STUCK: i32 = 70;

/// Ends the process without running destructors or exit handlers: PHP threads that did not end still use the engine's
/// memory.
pub fn exit_at_once(status: i32) -> ! {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(status) }
}

impl From<&ffi::igor_engine_info> for EngineInfo {
    fn from(info: &ffi::igor_engine_info) -> Self {
        Self {
            php_version: text(info.php_version).unwrap_or_default(),
            loaded_ini: text(info.loaded_ini),
            debug: info.debug,
            opcache_loaded: info.opcache_loaded,
            opcache_enabled: info.opcache_enabled,
            opcache_guarded: info.opcache_guarded,
            jit_enabled: info.jit_enabled,
        }
    }
}

/// A copy of a C string that the engine may change later; `None`: null.
fn text(string: *const c_char) -> Option<String> {
    // SAFETY: the engine's strings are NUL-terminated and live as long as the engine, which has just started.
    (!string.is_null()).then(|| unsafe { CStr::from_ptr(string) }.to_string_lossy().into_owned())
}

/// A setting as a line of php.ini. A value that php.ini would split is quoted.
pub fn ini_line(name: &str, value: &str) -> String {
    let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./:,+%&|~^() ".contains(&byte));
    if is_plain {
        format!("{name}={value}\n")
    } else {
        format!("{name}=\"{}\"\n", value.replace('\\', "\\\\").replace('"', "\\\""))
    }
}

/// The settings in php.ini's syntax.
fn ini_text(settings: &[(String, String)], lines: &[OsString]) -> Vec<u8> {
    let mut text = String::new();
    for (name, value) in settings {
        text.push_str(&ini_line(name, value));
    }
    let mut text = text.into_bytes();
    for line in lines {
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
    }
    text
}

/// The SAPI as PHP sees it. Its name is `frankenphp`: opcache runs only for names that it knows, and libraries check
/// `PHP_SAPI`.
fn sapi_module(ini: &CStr, ini_path: Option<&CStr>, executable: Option<&CStr>, ignore_ini: bool) -> sapi_module_struct {
    // SAFETY: every member of the structure is a number, a pointer or an optional function, for which zero is "none".
    let mut module: sapi_module_struct = unsafe { std::mem::zeroed() };
    module.name = c"frankenphp".as_ptr().cast_mut();
    module.pretty_name = c"Igor".as_ptr().cast_mut();
    module.startup = Some(ffi::shim_sapi_startup);
    module.activate = Some(ffi::shim_sapi_activate);
    module.ub_write = Some(ffi::shim_sapi_write);
    module.flush = Some(ffi::shim_sapi_flush);
    module.getenv = Some(ffi::shim_sapi_getenv);
    // SAFETY: PHP passes a pointer, the shim takes a pointer: only the names of the pointed types differ. A function of
    // Rust between them would be a frame under the shim's jumps (law 1).
    module.send_headers = Some(unsafe {
        transmute::<unsafe extern "C" fn(*mut c_void) -> c_int, unsafe extern "C" fn(*mut sapi_headers_struct) -> c_int>(
            ffi::shim_sapi_send_headers,
        )
    });
    module.read_post = Some(ffi::shim_sapi_read_post);
    module.read_cookies = Some(ffi::shim_sapi_read_cookies);
    module.register_server_variables = Some(ffi::shim_sapi_server_variables);
    module.log_message = Some(ffi::shim_sapi_log);
    module.sapi_error = Some(ffi::shim_sapi_error);
    module.default_post_reader = Some(ffi::shim_sapi_default_post_reader);
    module.treat_data = Some(ffi::shim_sapi_treat_data);
    module.input_filter = Some(ffi::shim_sapi_input_filter);
    // SAFETY: as for `send_headers`.
    module.ini_defaults = Some(unsafe {
        transmute::<unsafe extern "C" fn(*mut c_void), unsafe extern "C" fn(*mut HashTable)>(
            ffi::shim_sapi_ini_defaults,
        )
    });
    module.ini_entries = ini.as_ptr().cast_mut();
    module.php_ini_ignore = i32::from(ignore_ini);
    module.php_ini_ignore_cwd = 1;
    module.php_ini_path_override = ini_path.map_or(std::ptr::null_mut(), |path| path.as_ptr().cast_mut());
    module.executable_location = executable.map_or(std::ptr::null_mut(), |path| path.as_ptr().cast_mut());
    module
}

/// How full opcache is. `None`: it does not run. PHP threads ask it when they start a request, so an idle server's numbers stay.
pub fn opcache_usage() -> Option<igor_opcache_usage> {
    let mut usage = igor_opcache_usage {
        used_bytes: 0,
        free_bytes: 0,
        wasted_bytes: 0,
        scripts: 0,
        scripts_max: 0,
        hits: 0,
        misses: 0,
    };
    // SAFETY: the value is ours.
    unsafe { ffi::shim_opcache_usage(&mut usage) }.then_some(usage)
}

#[cfg(test)]
mod tests {
    use super::ini_text;

    #[test]
    fn ini_values_that_php_would_take_apart_are_quoted() {
        let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let settings = [
            setting("memory_limit", "128M"),
            setting("error_reporting", "E_ALL & ~E_NOTICE"),
            setting("session.name", "a;b\"c"),
        ];
        let text = ini_text(&settings, &[std::ffi::OsString::from("a=1")]);
        let expected = "memory_limit=128M\nerror_reporting=E_ALL & ~E_NOTICE\nsession.name=\"a;b\\\"c\"\na=1\n";
        assert!(text.ends_with(expected.as_bytes()), "{}", text.escape_ascii());
    }
}
