//! Why a setting of php-fpm is not taken over (pure). The lists have all settings of its manual.

use std::borrow::Cow;

use crate::config::nearest;

/// The settings of a pool that are taken over.
const TAKEN: [&str; 22] = [
    "listen",
    "listen.mode",
    "pm",
    "pm.max_children",
    "pm.start_servers",
    "pm.process_idle_timeout",
    "pm.status_path",
    "ping.path",
    "ping.response",
    "request_slowlog_trace_depth",
    "request_slowlog_timeout",
    "request_terminate_timeout",
    "access.log",
    "access.format",
    "access.suppress_path",
    "clear_env",
    "security.limit_extensions",
    "env",
    "php_value",
    "php_flag",
    "php_admin_value",
    "php_admin_flag",
];

/// The same of php-fpm as a whole.
const TAKEN_OF_WHOLE: [&str; 4] = ["error_log", "log_level", "process_control_timeout", "process.max"];

/// Why it is not taken over. Of an unknown one: the name of php-fpm that is probably meant.
fn reason_of(name: &str, reasons: &'static [(&[&str], &str)], taken: &[&'static str]) -> Cow<'static, str> {
    if let Some((_, reason)) = reasons.iter().find(|(names, _)| names.contains(&name)) {
        return (*reason).into();
    }
    let known: Vec<&str> = reasons.iter().flat_map(|(names, _)| names.iter()).chain(taken).copied().collect();
    match nearest(name, &known) {
        Some(meant) => format!("php-fpm has no such setting; did you mean `{meant}`?").into(),
        None => "igor does not know it".into(),
    }
}

/// Why a setting of a pool is not taken over.
const REASONS: &[(&[&str], &str)] = &[
    (&["user", "group"], "the user of the process: `User=` in the unit, see packaging/igor.service"),
    (&["listen.owner", "listen.group"], "the socket belongs to the user and the group of the process"),
    (
        &["listen.acl_users", "listen.acl_groups"],
        "a folder with such a default ACL passes it on to the socket (`setfacl -d`)",
    ),
    (&["listen.backlog"], "igor lets 4,096 connections wait"),
    (&["listen.allowed_clients"], "listen on an address that only the web server reaches"),
    (&["listen.setfib"], "of FreeBSD"),
    (
        &["pm.min_spare_servers", "pm.max_spare_servers", "pm.max_spawn_rate"],
        "igor starts a thread when requests wait, and ends it when it has been idle",
    ),
    (&["pm.max_requests"], "not needed: a classic request starts with fresh memory"),
    (&["pm.status_listen"], "the admin interface has an address of its own; `status_path` is at that of the pool"),
    (&["security.limit_extensions"], "igor runs files with a suffix of `split_path` only"),
    (&["slowlog"], "the backtraces of slow requests are in the log of the process"),
    (&["request_terminate_timeout_track_finished"], "a script that has ended its response runs on"),
    (&["catch_workers_output", "decorate_workers_output"], "what scripts print on the standard error is in the log"),
    (&["chroot"], "igor has none: a container or `RootDirectory=` in the unit"),
    (&["chdir"], "the working directory of a script is its folder"),
    (&["rlimit_files", "rlimit_core"], "`LimitNOFILE=` and `LimitCORE=` in the unit"),
    (&["process.priority"], "`Nice=` in the unit"),
    (&["process.dumpable"], "a process that has changed its user; here the unit names the user"),
    (&["apparmor_hat"], "all pools are one process; `AppArmorProfile=` in the unit"),
    (&["prefix"], "write absolute paths"),
];

/// Of a pool.
pub(super) fn reason(name: &str) -> Cow<'static, str> {
    reason_of(name, REASONS, &TAKEN)
}

/// Why a setting of php-fpm as a whole is not taken over.
const REASONS_OF_WHOLE: &[(&[&str], &str)] = &[
    (&["include"], "convert each of these files, and put the sites into one Caddyfile"),
    (&["pid"], "systemd knows the process; `igor stop` and `igor reload` use the admin interface"),
    (&["error_log"], "the journal has what the process writes on its standard error"),
    (&["syslog.ident", "syslog.facility"], "`SyslogIdentifier=` and `SyslogFacility=` in the unit"),
    (&["log_limit", "log_buffering"], "a record is one write, whatever its length"),
    (
        &["emergency_restart_threshold", "emergency_restart_interval"],
        "a crash ends the one process; `Restart=on-failure` in the unit starts it again",
    ),
    (&["process.priority"], "`Nice=` in the unit"),
    (&["daemonize"], "`igor run` stays in the foreground, `igor start` does not"),
    (&["rlimit_files", "rlimit_core"], "`LimitNOFILE=` and `LimitCORE=` in the unit"),
    (&["events.mechanism"], "igor takes what the system has"),
    (&["systemd_interval"], "the state in `systemctl status` changes when it changes"),
];

/// Of php-fpm as a whole.
pub(super) fn global_reason(name: &str) -> Cow<'static, str> {
    reason_of(name, REASONS_OF_WHOLE, &TAKEN_OF_WHOLE)
}
