//! From a pool to a site of a Caddyfile (pure).

use super::reasons::reason;
use super::setting::{ImportError, Section, Setting};
use super::words::{quoted, variable, word};

/// What a pool becomes.
#[derive(Default)]
pub(super) struct Site {
    pub(super) address: String,
    pub(super) bind: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) threads: Threads,
    /// Lines of its block `log`; empty: it has none.
    pub(super) log: Vec<String>,
    /// Lines of its block `php`.
    pub(super) php: Vec<String>,
    /// Names and values of `php_ini`: settings of the process.
    pub(super) ini: Vec<(String, String)>,
    drafts: Drafts,
}

/// `pm` and its numbers.
#[derive(Default)]
pub(super) struct Threads {
    pub(super) is_static: bool,
    pub(super) start: Option<usize>,
    pub(super) most: Option<usize>,
    /// `pm.process_idle_timeout`, in seconds.
    pub(super) idle: Option<u64>,
}

/// Settings that become a line together with others.
#[derive(Default)]
struct Drafts {
    ping: Option<String>,
    pong: Option<String>,
    access_log: Option<String>,
    access_format: Option<String>,
    suppressed: Vec<String>,
    keeps_env: bool,
}

/// The site of a pool, and in `left` the settings that it does not take over.
pub(super) fn site(pool: &Section<'_>, left: &mut Vec<String>) -> Result<Site, ImportError> {
    let mut site = Site::default();
    for setting in &pool.settings {
        let setting = Setting { value: setting.value.replace("$pool", pool.name), ..setting.clone() };
        let is_taken = match setting.key {
            Some(key) => takes_element(&mut site, &setting, key),
            None => takes(&mut site, &setting)?,
        };
        if !is_taken {
            left.push(setting.kept(&reason(setting.name)));
        }
    }
    if site.address.is_empty() {
        let line = pool.settings.first().map_or(1, |setting| setting.line);
        return Err(ImportError { line, message: format!("the pool `{}` has no `listen`", pool.name) });
    }
    let drafts = std::mem::take(&mut site.drafts);
    if !drafts.keeps_env {
        site.php.insert(0, "clear_env".to_owned());
    }
    if let Some(path) = &drafts.ping {
        let response = drafts.pong.as_ref().map(|text| format!(" {}", word(text))).unwrap_or_default();
        site.php.push(format!("ping_path {}{response}", word(path)));
    }
    site.log = access_log(pool.name, drafts);
    Ok(site)
}

/// `NAME[KEY] = VALUE`
fn takes_element(site: &mut Site, setting: &Setting<'_>, key: &str) -> bool {
    let value = &setting.value;
    match setting.name {
        "env" => site.php.push(format!("env {key} {}", word(&variable(value)))),
        "php_value" | "php_flag" | "php_admin_value" | "php_admin_flag" if is_of_process(key) => {
            site.ini.push((key.to_owned(), value.clone()));
        }
        "php_value" | "php_flag" => site.php.push(format!("php_value {key} {}", word(value))),
        "php_admin_value" | "php_admin_flag" => site.php.push(format!("php_admin_value {key} {}", word(value))),
        "access.suppress_path" => site.drafts.suppressed.push(value.clone()),
        _ => return false,
    }
    true
}

/// Takes over one setting, if igor has it.
fn takes(site: &mut Site, setting: &Setting<'_>) -> Result<bool, ImportError> {
    let value = setting.value.as_str();
    match setting.name {
        "listen" => listen(site, value),
        "listen.mode" => site.mode = Some(value.to_owned()),
        "pm" => site.threads.is_static = is_static(setting)?,
        "pm.max_children" => site.threads.most = Some(setting.number()?),
        "pm.start_servers" => site.threads.start = Some(setting.number()?),
        "pm.process_idle_timeout" => site.threads.idle = Some(setting.seconds()?),
        "pm.status_path" => site.php.push(format!("status_path {}", word(value))),
        "ping.path" => site.drafts.ping = Some(value.to_owned()),
        "ping.response" => site.drafts.pong = Some(value.to_owned()),
        "request_slowlog_trace_depth" => site.php.push(format!("{} {}", setting.name, setting.number()?)),
        "security.limit_extensions" if value.is_empty() => return Ok(false),
        "security.limit_extensions" => site.php.push(format!("split_path {value}")),
        "access.log" => site.drafts.access_log = Some(value.to_owned()).filter(|path| !path.is_empty()),
        "access.format" => site.drafts.access_format = Some(value.to_owned()),
        "clear_env" => site.drafts.keeps_env = !setting.is_on(),
        "request_terminate_timeout" | "request_slowlog_timeout" => {
            let seconds = setting.seconds()?;
            if seconds > 0 {
                site.php.push(format!("{} {seconds}s", setting.name));
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn is_static(pm: &Setting<'_>) -> Result<bool, ImportError> {
    match pm.value.as_str() {
        "static" => Ok(true),
        "dynamic" | "ondemand" => Ok(false),
        _ => Err(pm.is_not_a("process manager (static, dynamic, ondemand)")),
    }
}

/// The lines of the block `log`.
fn access_log(pool: &str, drafts: Drafts) -> Vec<String> {
    let Some(path) = drafts.access_log else { return Vec::new() };
    let output = match path.as_str() {
        "/proc/self/fd/1" | "/dev/stdout" => "stdout".to_owned(),
        "/proc/self/fd/2" | "/dev/stderr" => "stderr".to_owned(),
        path => format!("file {}", word(path)),
    };
    let mut format = "format php_fpm".to_owned();
    if let Some(own) = drafts.access_format {
        // Here a pool has the name of its address.
        let own = own.replace("%n", &pool.replace('%', "%%"));
        format += &format!(" {}", quoted(&own));
    }
    if !drafts.suppressed.is_empty() {
        let paths: Vec<String> = drafts.suppressed.iter().map(|path| word(path)).collect();
        format += &format!(" {{\n\t\t\tsuppress_path {}\n\t\t}}", paths.join(" "));
    }
    vec![format!("output {output}"), format]
}

/// Whether PHP reads the setting once, for the whole process.
fn is_of_process(name: &str) -> bool {
    ["disable_functions", "disable_classes", "extension", "zend_extension", "opcache.preload"].contains(&name)
}

/// `PATH`, `PORT`, `*:PORT` or `IP:PORT`.
fn listen(site: &mut Site, value: &str) {
    if value.starts_with('/') {
        (site.address, site.bind) = ("fastcgi://localhost".to_owned(), Some(format!("unix/{value}")));
    } else if value.bytes().all(|byte| byte.is_ascii_digit()) || value.starts_with("*:") {
        site.address = format!("fastcgi://[::]:{}", value.trim_start_matches("*:"));
    } else {
        site.address = format!("fastcgi://{value}");
    }
}
