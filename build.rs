//! Finds PHP, checks that it is thread-safe and embeddable, binds the shim's contract, compiles the shim and links libphp
//! with a run path, so that the program finds it without environment variables.

use std::error::Error;
#[cfg(feature = "php")]
use std::path::PathBuf;
#[cfg(feature = "php")]
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    #[cfg(feature = "php")]
    php::build()?;
    Ok(())
}

#[cfg(feature = "php")]
mod php {
    use super::*;

    /// PHP's version numbers whose engine the shim knows: 8.2 to 8.6.
    const SUPPORTED: std::ops::Range<u32> = 80200..80700;

    const SOURCES: [&str; 46] = [
        "c/alarm.c",
        "c/apcu.c",
        "c/apcu_list.c",
        "c/background.c",
        "c/body.c",
        "c/children.c",
        "c/command.c",
        "c/copy.c",
        "c/defaults.c",
        "c/descriptors.c",
        "c/engine.c",
        "c/enums.c",
        "c/environment.c",
        "c/errors.c",
        "c/extension.c",
        "c/handle.c",
        "c/ini.c",
        "c/interpose.c",
        "c/interrupt.c",
        "c/kill.c",
        "c/layout.c",
        "c/masks.c",
        "c/mercure.c",
        "c/module.c",
        "c/opcache.c",
        "c/reap.c",
        "c/replace.c",
        "c/request.c",
        "c/reset.c",
        "c/response.c",
        "c/self.c",
        "c/server_variables.c",
        "c/session.c",
        "c/signals.c",
        "c/spawn.c",
        "c/states.c",
        "c/store.c",
        "c/store_class.c",
        "c/store_list.c",
        "c/syslog.c",
        "c/tasks.c",
        "c/thread.c",
        "c/time_limit.c",
        "c/vars.c",
        "c/worker.c",
        "c/worker_handle.c",
    ];

    /// What libphp and its libraries must resolve to before libc's: see c/interpose.c.
    const EXPORTED: [&str; 37] = [
        "accept",
        "alarm",
        "close",
        "closelog",
        "creat",
        "dup",
        "fclose",
        "fcntl",
        "fcntl64",
        "fork",
        "getpid",
        "kill",
        "mkstemp",
        "mmap",
        "open",
        "openlog",
        "pclose",
        "pipe",
        "poll",
        "popen",
        "posix_spawn",
        "posix_spawnp",
        "sigaction",
        "sigprocmask",
        "sigtimedwait",
        "sigwaitinfo",
        "socket",
        "socketpair",
        "syslog",
        "timer_create",
        "timer_delete",
        "timer_settime",
        "wait",
        "wait3",
        "wait4",
        "waitid",
        "waitpid",
    ];

    /// What `php-config` says of the build.
    struct Php {
        prefix: PathBuf,
        /// The command-line program that ext-php-rs asks about the build too. For another machine's PHP it may be a script
        /// that runs it under an emulator.
        asked: PathBuf,
        /// The command-line program of the same build, for `igor php-cli`.
        command_line: PathBuf,
        includes: Vec<String>,
        version: u32,
        sanitized: bool,
    }

    pub(super) fn build() -> Result<(), Box<dyn Error>> {
        println!("cargo:rerun-if-changed=c");
        println!("cargo:rerun-if-changed=include");
        println!("cargo:rerun-if-env-changed=PHP_CONFIG");
        println!("cargo:rerun-if-env-changed=PHP");
        let php = Php::find()?;
        php.check()?;
        bind()?;
        compile(&php)?;
        link(&php)
    }

    /// Whether the module is built, and not a program with its own libphp.
    fn is_extension() -> bool {
        std::env::var_os("CARGO_FEATURE_EXTENSION").is_some()
    }

    impl Php {
        fn find() -> Result<Self, Box<dyn Error>> {
            let config = match std::env::var_os("PHP_CONFIG") {
                Some(config) if !config.is_empty() => PathBuf::from(config),
                _ => cached_php_config()?,
            };
            let ask = |option: &str| -> Result<String, Box<dyn Error>> {
                let output = Command::new(&config)
                    .arg(option)
                    .output()
                    .map_err(|error| format!("asking {} for {option}: {error}", config.display()))?;
                Ok(String::from_utf8(output.stdout)?.trim().to_owned())
            };
            let prefix = PathBuf::from(ask("--prefix")?);
            let command_line = match ask("--php-binary")? {
                path if path.starts_with('/') => path.into(),
                _ => prefix.join("bin/php"),
            };
            let asked = match std::env::var_os("PHP") {
                Some(php) if !php.is_empty() => PathBuf::from(php),
                _ => prefix.join("bin/php"),
            };
            Ok(Self {
                prefix,
                asked,
                command_line,
                includes: ask("--includes")?.split_whitespace().map(str::to_owned).collect(),
                version: ask("--vernum")?.parse().map_err(|_| format!("{} is not a php-config", config.display()))?,
                sanitized: ask("--configure-options")?.contains("--enable-address-sanitizer"),
            })
        }

        /// Refuses a PHP that cannot work, with a sentence that helps.
        fn check(&self) -> Result<(), Box<dyn Error>> {
            let prefix = self.prefix.display();
            if !SUPPORTED.contains(&self.version) {
                return Err(format!("the PHP in {prefix} is version {}; igor supports 8.2 to 8.6", self.version).into());
            }
            let info = ext_php_rs_build::PHPInfo::get(&self.asked)
                .map_err(|error| format!("asking {} about itself: {error:#}", self.asked.display()))?;
            if !info.thread_safety().map_err(|error| error.to_string())? {
                return Err(format!(
                    "the PHP in {prefix} is not thread-safe; configure it with --enable-zts, or run `make php` to build one"
                )
                .into());
            }
            if !is_extension()
                && !self.library_folder().join("libphp.so").exists()
                && !self.library_folder().join("libphp.dylib").exists()
            {
                return Err(format!(
                    "the PHP in {prefix} has no embed library (lib/libphp.so); configure it with --enable-embed=shared, or \
                     run `make php` to build one"
                )
                .into());
            }
            Ok(())
        }

        fn library_folder(&self) -> PathBuf {
            self.prefix.join("lib")
        }
    }

    /// The PHP that `make php` built, when no other was named.
    fn cached_php_config() -> Result<PathBuf, Box<dyn Error>> {
        // The package of the crate does not have the script.
        match Command::new("scripts/php.sh").arg("print").output() {
            Ok(output) if output.status.success() => Ok(String::from_utf8(output.stdout)?.trim().into()),
            _ => Err("PHP_CONFIG is not set and no PHP has been built yet: run `make php` in the repository, or set \
                      PHP_CONFIG (and PHP) to a thread-safe PHP with the embed library"
                .into()),
        }
    }

    fn out_dir() -> PathBuf {
        PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default())
    }

    /// What starts and ends PHP code. These functions catch every jump, so nothing that a jump could cross may call them:
    /// Rust names them through `ffi::Outside` alone.
    const OUTSIDE: &str = "shim_(engine_start|engine_stop|thread_run|thread_adopt|thread_release)";

    /// Rust's side of the contract, in two files: what any code may name, and [`OUTSIDE`]. The engine's own types come from
    /// ext-php-rs.
    fn bind() -> Result<(), Box<dyn Error>> {
        let builder = || {
            bindgen::Builder::default()
                .header("c/shim.h")
                .blocklist_type("_zval_struct")
                .blocklist_type("_sapi_module_struct")
                .default_enum_style(bindgen::EnumVariation::NewType { is_bitfield: false, is_global: false })
                .prepend_enum_name(false)
                .derive_default(true)
        };
        builder()
            .allowlist_item("(igor|IGOR|shim)_.*")
            .blocklist_function(OUTSIDE)
            .raw_line("use ext_php_rs::ffi::{_sapi_module_struct, _zval_struct};")
            .generate()?
            .write_to_file(out_dir().join("shim.rs"))?;
        builder()
            .allowlist_function(OUTSIDE)
            .allowlist_recursively(false)
            .raw_line("use super::*;")
            .generate()?
            .write_to_file(out_dir().join("outside.rs"))?;
        Ok(())
    }

    fn compile(php: &Php) -> Result<(), Box<dyn Error>> {
        let version = std::env::var("CARGO_PKG_VERSION")?;
        let mut build = cc::Build::new();
        build
            .files(SOURCES)
            .include("include")
            .std("gnu11")
            .warnings(true)
            .flag("-fvisibility=hidden")
            // PHP's own headers are not clean under these.
            .flag("-Wno-unused-parameter")
            .flag("-Wno-sign-compare")
            // A function or a member that another version of PHP declares differently is no warning.
            .flag("-Werror=implicit-function-declaration")
            .flag("-Werror=incompatible-pointer-types")
            .flag("-Werror=int-conversion")
            .define("IGOR_VERSION", format!("\"{version}\"").as_str());
        if std::env::var_os("CARGO_FEATURE_BENCH").is_some() {
            build.file("c/bench.c").define("IGOR_BENCH", None);
        }
        if std::env::var_os("CARGO_FEATURE_LAUNDER").is_some() {
            build.file("c/launder.c").define("IGOR_LAUNDER", None);
        }
        if std::env::var_os("CARGO_FEATURE_FAULTS").is_some() {
            build.define("IGOR_FAULTS", None);
        }
        for include in &php.includes {
            build.flag(include);
        }
        if php.sanitized {
            build.flag("-fsanitize=address").flag("-fno-omit-frame-pointer");
        }
        build.try_compile("igor_shim")?;
        Ok(())
    }

    fn link(php: &Php) -> Result<(), Box<dyn Error>> {
        println!("cargo:rustc-env=IGOR_PHP_PREFIX={}", php.prefix.display());
        println!("cargo:rustc-env=IGOR_PHP_CLI_BUILT={}", php.command_line.display());
        // The module takes PHP's symbols from the program that loads it.
        if is_extension() {
            return Ok(());
        }
        let folder = php.library_folder();
        println!("cargo:rustc-link-search=native={}", folder.display());
        let mut everywhere = vec![format!("-Wl,-rpath,{}", folder.display())];
        if php.sanitized {
            everywhere.push(link_address_sanitizer()?);
        }
        println!("cargo:rustc-link-lib=dylib=php");
        let programs = EXPORTED.map(|symbol| format!("-Wl,--export-dynamic-symbol={symbol}"));
        for argument in &everywhere {
            println!("cargo:rustc-link-arg={argument}");
        }
        for argument in &programs {
            println!("cargo:rustc-link-arg-bins={argument}");
        }
        // Cargo does not pass them on to programs that depend on the library: their own build scripts must.
        everywhere.extend(programs);
        println!("cargo:encoded_link_args={}", everywhere.join("\x1f"));
        Ok(())
    }

    /// The sanitizer's runtime has to come before libphp, and to be initialised before anything else of the process: late,
    /// it finds glibc's locks in use and hangs at exit. rustc links without the compiler's default libraries, so
    /// `-fsanitize=address` alone would do nothing. Returns the object that programs are linked with.
    fn link_address_sanitizer() -> Result<String, Box<dyn Error>> {
        println!("cargo:rustc-link-lib=dylib=asan");
        // Of the compiler for the target, as the shim is.
        let compiler = cc::Build::new().try_get_compiler()?;
        let output = compiler.to_command().arg("-print-file-name=libasan_preinit.o").output()?;
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}
