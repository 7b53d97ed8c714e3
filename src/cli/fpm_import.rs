//! `igor fpm --import`: converts a pool file of php-fpm to a Caddyfile.
//!
//! A setting that igor handles differently, or not at all, becomes a comment with its reason, so that nothing is lost
//! silently.

use std::fmt::Write as _;

/// Why a pool file cannot be read: the line, and what is wrong with it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub(super) struct ImportError {
    line: usize,
    message: String,
}

/// One `NAME = VALUE` of a pool file.
#[derive(Debug, Clone, Copy)]
struct Setting<'a> {
    line: usize,
    name: &'a str,
    value: &'a str,
}

/// A section of the file, except `[global]`.
struct Pool<'a> {
    name: &'a str,
    settings: Vec<Setting<'a>>,
}

/// What a pool becomes.
#[derive(Default)]
struct Site {
    address: String,
    bind: Option<String>,
    mode: Option<String>,
    threads: Threads,
    /// Lines of the site.
    site: Vec<String>,
    /// Lines of its block `php`.
    php: Vec<String>,
    /// Names and values of `php_ini`: settings of the process.
    ini: Vec<(String, String)>,
    /// `ping.path` and `ping.response`.
    ping: Option<String>,
    pong: Option<String>,
}

/// `pm` and its numbers.
#[derive(Default)]
struct Threads {
    is_static: bool,
    start: Option<usize>,
    most: Option<usize>,
}

/// The Caddyfile for a pool file. `source` is named in its first line.
///
/// # Errors A line is not a setting, a value is not a number, or no pool has a `listen`.
pub(super) fn caddyfile(text: &str, source: &str) -> Result<String, ImportError> {
    let mut left = Vec::new();
    let mut sites = Vec::new();
    for pool in pools(text, &mut left)? {
        sites.push(site(&pool, &mut left)?);
    }
    if sites.is_empty() {
        return Err(ImportError {
            line: 1,
            message: "there is no pool: a section such as `[www]` with `listen`".into(),
        });
    }
    Ok(written(source, &sites, &left))
}

/// The pools with their settings. The section `[global]` is left out.
fn pools<'a>(text: &'a str, left: &mut Vec<String>) -> Result<Vec<Pool<'a>>, ImportError> {
    let mut pools: Vec<Pool<'a>> = Vec::new();
    let mut is_global = true;
    for (index, line) in text.lines().enumerate() {
        let (number, line) = (index + 1, line.trim());
        if line.is_empty() || line.starts_with(';') || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            is_global = name == "global";
            if !is_global {
                pools.push(Pool { name, settings: Vec::new() });
            }
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            let message = format!("`{line}` is no setting; php-fpm has `NAME = VALUE`, `[POOL]` and comments");
            return Err(ImportError { line: number, message });
        };
        let setting = Setting { line: number, name: name.trim(), value: bare(value) };
        match pools.last_mut().filter(|_| !is_global) {
            Some(pool) => pool.settings.push(setting),
            None => left.push(kept(setting, "of the whole php-fpm; see the global options in docs/configuration.md")),
        }
    }
    Ok(pools)
}

/// A value without its quotes, or without the comment after it.
fn bare(value: &str) -> &str {
    let value = value.trim();
    let quoted = value.strip_prefix('"').and_then(|rest| rest.split_once('"'));
    match quoted {
        Some((inner, _)) => inner,
        None => value.split(" ;").next().unwrap_or_default().trim(),
    }
}

fn kept(setting: Setting<'_>, reason: &str) -> String {
    format!("{} = {} (line {}): {reason}", setting.name, setting.value, setting.line)
}

/// The site of a pool, and in `left` the settings that it does not take over.
fn site(pool: &Pool<'_>, left: &mut Vec<String>) -> Result<Site, ImportError> {
    let mut site = Site::default();
    for setting in &pool.settings {
        let value = setting.value.replace("$pool", pool.name);
        if let Some((kind, name)) = setting.name.strip_suffix(']').and_then(|name| name.split_once('[')) {
            match kind {
                "env" => site.php.push(format!("env {name} {}", word(&variable(&value)))),
                "php_value" | "php_flag" | "php_admin_value" | "php_admin_flag" if is_of_process(name) => {
                    site.ini.push((name.to_owned(), value));
                }
                "php_value" | "php_flag" => site.php.push(format!("php_value {name} {}", word(&value))),
                "php_admin_value" | "php_admin_flag" => {
                    site.php.push(format!("php_admin_value {name} {}", word(&value)));
                }
                _ => left.push(kept(*setting, "igor does not know it")),
            }
            continue;
        }
        if !taken(&mut site, *setting, &value)? {
            left.push(kept(*setting, reason(setting.name)));
        }
    }
    if !pool.settings.iter().any(|setting| setting.name == "clear_env") {
        left.push(format!("clear_env = yes (the default, pool `{}`): {}", pool.name, reason("clear_env")));
    }
    if let Some(path) = site.ping.take() {
        let response = site.pong.take().map(|text| format!(" {}", word(&text))).unwrap_or_default();
        site.php.push(format!("ping_path {}{response}", word(&path)));
    }
    if site.address.is_empty() {
        let line = pool.settings.first().map_or(1, |setting| setting.line);
        return Err(ImportError { line, message: format!("the pool `{}` has no `listen`", pool.name) });
    }
    Ok(site)
}

/// Takes over one setting, if igor has it.
fn taken(site: &mut Site, setting: Setting<'_>, value: &str) -> Result<bool, ImportError> {
    let number = || value.parse::<usize>().map_err(|_| not_a(setting, "number"));
    match setting.name {
        "listen" => listen(site, value),
        "listen.mode" => site.mode = Some(value.to_owned()),
        "pm" => site.threads.is_static = value == "static",
        "pm.max_children" => site.threads.most = Some(number()?),
        "pm.start_servers" => site.threads.start = Some(number()?),
        "pm.status_path" => site.php.push(format!("status_path {}", word(value))),
        "ping.path" => site.ping = Some(value.to_owned()),
        "ping.response" => site.pong = Some(value.to_owned()),
        "request_slowlog_trace_depth" => site.php.push(format!("{} {}", setting.name, number()?)),
        "security.limit_extensions" if value.is_empty() => return Ok(false),
        "security.limit_extensions" => site.php.push(format!("split_path {value}")),
        "access.log" => site.site.push(format!("log {{\n\t\toutput file {}\n\t}}", word(value))),
        "request_terminate_timeout" | "request_slowlog_timeout" => {
            let seconds = seconds(value).ok_or_else(|| not_a(setting, "duration"))?;
            if seconds > 0 {
                site.php.push(format!("{} {seconds}s", setting.name));
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Whether PHP reads the setting once, for the whole process.
fn is_of_process(name: &str) -> bool {
    ["disable_functions", "disable_classes", "extension", "zend_extension", "opcache.preload"].contains(&name)
}

fn not_a(setting: Setting<'_>, what: &str) -> ImportError {
    let message = format!("`{}` is no {what} for `{}`", setting.value, setting.name);
    ImportError { line: setting.line, message }
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

/// A number of seconds, or with a unit of php-fpm: `s`, `m`, `h`, `d`.
fn seconds(value: &str) -> Option<u64> {
    let (digits, unit) = match value.char_indices().find(|(_, char)| !char.is_ascii_digit()) {
        Some((at, _)) => value.split_at(at),
        None => (value, "s"),
    };
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// `$NAME` is a variable of the server's environment.
fn variable(value: &str) -> String {
    match value.strip_prefix('$') {
        Some(name) if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => format!("{{${name}}}"),
        _ => value.to_owned(),
    }
}

/// A word of a Caddyfile; in quotes where it needs them.
fn word(text: &str) -> String {
    let is_plain = !text.is_empty() && !text.contains(|char: char| char.is_whitespace() || "\"`#".contains(char));
    if is_plain { text.to_owned() } else { format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")) }
}

/// Why a setting is not taken over.
fn reason(name: &str) -> &'static str {
    match name {
        "user" | "group" => "the user of the process: `User=` in the unit, see packaging/igor.service",
        "listen.owner" | "listen.group" => "the socket belongs to the user and the group of the process",
        "listen.backlog" => "igor lets 4,096 connections wait",
        "listen.allowed_clients" => "listen on an address that only the web server reaches",
        "pm.min_spare_servers" | "pm.max_spare_servers" | "pm.process_idle_timeout" | "pm.max_spawn_rate" => {
            "igor starts a thread when requests wait, and ends it when it has been idle"
        }
        "pm.max_requests" => "not needed: a classic request starts with fresh memory",
        "pm.status_listen" => "the admin interface has an address of its own; `status_path` is at that of the pool",
        "security.limit_extensions" => "igor runs files with a suffix of `split_path` only",
        "access.format" => "`format` in the block of `log`",
        "slowlog" => "the backtraces of slow requests are in the log of the process",
        "request_terminate_timeout_track_finished" => "a script that has ended its response runs on",
        "catch_workers_output" | "decorate_workers_output" => "what scripts print on the standard error is in the log",
        "clear_env" => {
            "scripts see the environment of the server; start it with what they may see (`env -i NAME=VALUE … igor`)"
        }
        "chroot" => "igor has none: a container or `RootDirectory=` in the unit",
        "chdir" => "the working directory of a script is its folder",
        "rlimit_files" | "rlimit_core" => "`LimitNOFILE=` and `LimitCORE=` in the unit",
        "process.priority" | "process.dumpable" => "`Nice=` in the unit",
        "prefix" => "write absolute paths",
        _ => "igor does not know it",
    }
}

fn written(source: &str, sites: &[Site], left: &[String]) -> String {
    let mut text = format!("# From {source}\n{{\n\tfrankenphp {{\n");
    let most: usize = sites.iter().filter_map(|site| site.threads.most).sum();
    let start: usize = sites
        .iter()
        .filter_map(|site| if site.threads.is_static { site.threads.most } else { site.threads.start })
        .sum();
    // Writing to a string cannot fail.
    let _ = match (start, most) {
        (0, 0) => Ok(()),
        (start, most) if most > start => write!(text, "\t\tnum_threads {}\n\t\tmax_threads {most}\n", start.max(1)),
        (start, _) => writeln!(text, "\t\tnum_threads {start}"),
    };
    let mut set: Vec<&(String, String)> = Vec::new();
    let mut conflicts = Vec::new();
    for pair in sites.iter().flat_map(|site| &site.ini) {
        match set.iter().find(|(name, _)| *name == pair.0) {
            Some((_, value)) if *value == pair.1 => {}
            Some(_) => {
                conflicts.push(format!("{} = {}: another pool has another value, and all have one PHP", pair.0, pair.1))
            }
            None => set.push(pair),
        }
    }
    for (name, value) in set {
        let _ = writeln!(text, "\t\tphp_ini {name} {}", word(value));
    }
    text += "\t}\n}\n";
    for site in sites {
        let _ = write!(text, "\n{} {{\n", site.address);
        if let Some(bind) = &site.bind {
            let mode = site.mode.as_ref().map(|mode| format!("|{mode}")).unwrap_or_default();
            let _ = writeln!(text, "\tbind {}", word(&format!("{bind}{mode}")));
        }
        for line in &site.site {
            let _ = writeln!(text, "\t{line}");
        }
        let lines: String = site.php.iter().map(|line| format!("\t\t{line}\n")).collect();
        text += &if lines.is_empty() { "\tphp\n}\n".to_owned() } else { format!("\tphp {{\n{lines}\t}}\n}}\n") };
    }
    if !left.is_empty() || !conflicts.is_empty() {
        text += "\n# Not taken over:\n";
        for line in left.iter().chain(&conflicts) {
            let _ = writeln!(text, "# {line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const POOL: &str = "; a comment\n[global]\nerror_log = /var/log/fpm.log\n[www]\nuser = www-data\n\
        listen = /run/php/$pool.sock\nlisten.mode = 0660\npm = dynamic\npm.max_children = 20\npm.start_servers = 4\n\
        pm.max_requests = 500\nrequest_terminate_timeout = 2m\nsecurity.limit_extensions = .php .phar\n\
        access.log = /var/log/$pool.access.log\nenv[APP_ENV] = prod\nenv[HOST] = $HOSTNAME\nenv[NOTE] = \"two words\"\n\
        php_admin_value[memory_limit] = 256M ; enough\nphp_flag[display_errors] = off\n\
        php_admin_value[disable_functions] = exec\npm.status_path = /status\nping.path = /ping\nping.response = alive\n\
        request_slowlog_timeout = 5\nslowlog = /var/log/slow.log\nnew.setting = 1\n";

    #[test]
    fn a_pool_becomes_a_site() {
        let text = caddyfile(POOL, "www.conf").expect("a pool file");
        assert_eq!(
            text,
            "# From www.conf\n{\n\tfrankenphp {\n\t\tnum_threads 4\n\t\tmax_threads 20\n\t\tphp_ini disable_functions exec\n\t}\n}\n\nfastcgi://localhost {\n\
             \tbind unix//run/php/www.sock|0660\n\tlog {\n\t\toutput file /var/log/www.access.log\n\t}\n\tphp {\n\
             \t\trequest_terminate_timeout 120s\n\t\tsplit_path .php .phar\n\t\tenv APP_ENV prod\n\
             \t\tenv HOST {$HOSTNAME}\n\t\tenv NOTE \"two words\"\n\t\tphp_admin_value memory_limit 256M\n\
             \t\tphp_value display_errors off\n\t\tstatus_path /status\n\t\trequest_slowlog_timeout 5s\n\
             \t\tping_path /ping alive\n\t}\n}\n\n\
             # Not taken over:\n# error_log = /var/log/fpm.log (line 3): of the whole php-fpm; see the global options in \
             docs/configuration.md\n# user = www-data (line 5): the user of the process: `User=` in the unit, see \
             packaging/igor.service\n# pm.max_requests = 500 (line 11): not needed: a classic request starts with fresh \
             memory\n# slowlog = /var/log/slow.log (line 25): the backtraces of slow requests are in the log of the process\n\
             # new.setting = 1 (line 26): igor does not know it\n# clear_env = yes (the default, pool `www`): scripts \
             see the environment of the server; start it with what they may see (`env -i NAME=VALUE … igor`)\n"
        );
        let config = crate::config::parse(&text, Path::new("/srv/Caddyfile"), &|_| Some("here".to_owned()));
        config.expect("the Caddyfile is valid");
    }

    #[test]
    fn every_form_of_listen_and_several_pools() {
        for (listen, address) in [
            ("9000", "fastcgi://[::]:9000 {"),
            ("*:9001", "fastcgi://[::]:9001 {"),
            ("127.0.0.1:9000", "fastcgi://127.0.0.1:9000 {"),
            ("[::1]:9000", "fastcgi://[::1]:9000 {"),
        ] {
            let text =
                caddyfile(&format!("[a]\nlisten = {listen}\npm=static\npm.max_children = 3\n"), "a").expect("a pool");
            assert!(
                text.contains(address) && text.contains("num_threads 3\n") && !text.contains("max_threads"),
                "{text}"
            );
            crate::config::parse(&text, Path::new("/srv/Caddyfile"), &|_| None).expect("the Caddyfile is valid");
        }
        let two = "[a]\nlisten = 127.0.0.1:1\nphp_value[extension] = 1\nphp_value[x] = 1\n\
            [b]\nlisten = 127.0.0.1:2\nphp_value[extension] = 2\nphp_value[x] = 2\n";
        let text = caddyfile(two, "two").expect("two pools");
        for part in [
            "php_ini extension 1\n",
            "# extension = 2: another pool has another value",
            "php_value x 1\n",
            "php_value x 2\n",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn what_is_no_pool_file() {
        let error = |text: &str| caddyfile(text, "x").expect_err("it is wrong").to_string();
        assert_eq!(
            error("[a]\nlisten\n"),
            "line 2: `listen` is no setting; php-fpm has `NAME = VALUE`, `[POOL]` and comments"
        );
        assert_eq!(
            error("[a]\nlisten = 1\npm.max_children = many\n"),
            "line 3: `many` is no number for `pm.max_children`"
        );
        assert_eq!(
            error("[a]\nlisten = 1\nrequest_terminate_timeout = 3w\n"),
            "line 3: `3w` is no duration for `request_terminate_timeout`"
        );
        assert_eq!(error("[a]\npm = static\n"), "line 2: the pool `a` has no `listen`");
        assert_eq!(error(""), "line 1: there is no pool: a section such as `[www]` with `listen`");
    }
}
