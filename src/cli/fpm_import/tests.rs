use super::*;
use std::path::Path;

/// Every setting of php-fpm's manual and of its source, as a pool file may have them.
const ALL: &str = r#"; a comment
pid = /run/php/fpm.pid
error_log = /var/log/fpm.log
syslog.ident = php-fpm
syslog.facility = daemon
log_level = notice
log_limit = 4096
log_buffering = no
emergency_restart_threshold = 10
emergency_restart_interval = 1m
process_control_timeout = 10s
process.max = 128
process.priority = -19
daemonize = no
rlimit_files = 1024
rlimit_core = 0
events.mechanism = epoll
systemd_interval = 10s
include=/etc/php/8.4/fpm/pool.d/*.conf

[www]
prefix = /srv/$pool
user = www-data
group = www-data
listen = /run/php/$pool.sock
listen.backlog = 511
listen.owner = www-data
listen.group = www-data
listen.mode = 0660
listen.acl_users = nginx
listen.acl_groups = nginx
listen.allowed_clients = 127.0.0.1
listen.setfib = 0
process.priority = -19
process.dumpable = yes
pm = dynamic
pm.max_children = 20
pm.start_servers = 4
pm.min_spare_servers = 1
pm.max_spare_servers = 8
pm.max_spawn_rate = 32
pm.process_idle_timeout = 20s
pm.max_requests = 500
pm.status_path = /status
pm.status_listen = 127.0.0.1:9001
ping.path = /ping
ping.response = alive
access.log = /var/log/$pool.access.log
access.format = "%R - %u %t \"%m %r%Q%q\" %s %n %{milli}d %{kilo}M %C%%"
access.suppress_path[] = /ping
access.suppress_path[] = /health_check.php
slowlog = /var/log/$pool.log.slow
request_slowlog_timeout = 5
request_slowlog_trace_depth = 20
request_terminate_timeout = 2m
request_terminate_timeout_track_finished = no
rlimit_files = 1024
rlimit_core = 0
chroot = /srv
chdir = /var/www
catch_workers_output = yes
decorate_workers_output = no
clear_env = yes
security.limit_extensions = .php .phar
apparmor_hat = php
env[HOSTNAME] = $HOSTNAME
env[PATH] = /usr/local/bin:/usr/bin:/bin
env[NOTE] = "two \"words\""
php_flag[display_errors] = off
php_value[precision] = 9
php_admin_value[error_log] = /var/log/php.log
php_admin_flag[log_errors] = on
php_admin_value[memory_limit] = 32M ; enough
php_admin_value[disable_functions] = exec
new.setting = 1
"#;

fn is_valid(text: &str) {
    crate::config::parse(text, Path::new("/srv/Caddyfile"), &|_| Some("here".to_owned())).expect("a valid Caddyfile");
}

#[test]
fn every_setting_is_taken_over_or_named() {
    let text = caddyfile(ALL, "www.conf").expect("a pool file");
    is_valid(&text);
    insta::assert_snapshot!(text);
    // Only what php-fpm does not have, either.
    let unknown: Vec<&str> = text.lines().filter(|line| line.ends_with("igor does not know it")).collect();
    assert_eq!(unknown, ["# new.setting = 1 (line 75): igor does not know it"]);
}

#[test]
fn the_smallest_pool_hides_the_environment_and_writes_php_fpms_lines() {
    let text = caddyfile("[a]\nlisten = 9000\naccess.log = /proc/self/fd/2\n", "a").expect("a pool file");
    is_valid(&text);
    let expected = "# From a\n{\n\tfrankenphp\n}\n\nfastcgi://[::]:9000 {\n\tlog {\n\t\toutput stderr\n\t\tformat php_fpm\n\
        \t}\n\tphp {\n\t\tclear_env\n\t}\n}\n";
    assert_eq!(text, expected);
    let kept = caddyfile("[a]\nlisten = 9000\nclear_env = no\n", "a").expect("a pool file");
    assert!(kept.ends_with("fastcgi://[::]:9000 {\n\tphp\n}\n"), "{kept}");
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
        assert!(text.contains(address) && text.contains("num_threads 3\n") && !text.contains("max_threads"), "{text}");
        is_valid(&text);
    }
    let two = "process.max = 4\n[a]\nlisten = 127.0.0.1:1\nphp_value[extension] = 1\nphp_value[x] = 1\npm.max_children = 3\n\
        [b]\nlisten = 127.0.0.1:2\nphp_value[extension] = 2\nphp_value[x] = 2\npm.max_children = 3\n";
    let text = caddyfile(two, "two").expect("two pools");
    for part in [
        "max_threads 4\n",
        "php_ini extension 1\n",
        "# extension = 2: another pool has another value",
        "php_value x 1\n",
        "php_value x 2\n",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_misspelled_setting_is_named_with_the_one_that_is_meant() {
    let text = caddyfile("error_lgo = /x\n[a]\nlisten = 1\npm.max_childrn = 5\nlisten.ownr = a\nxyz = 1\n", "a")
        .expect("a pool");
    for part in [
        "(line 1): php-fpm has no such setting; did you mean `error_log`?",
        "mean `pm.max_children`?",
        "mean `listen.owner`?",
        "igor does not know it",
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
    assert_eq!(error("[a]\nlisten = 1\npm.max_children = many\n"), "line 3: `many` is no number for `pm.max_children`");
    assert_eq!(
        error("[a]\nlisten = 1\nrequest_terminate_timeout = 3w\n"),
        "line 3: `3w` is no duration for `request_terminate_timeout`"
    );
    assert_eq!(error("log_level = loud\n[a]\nlisten = 1\n"), "line 1: `loud` is no log level for `log_level`");
    assert_eq!(
        error("[a]\nlisten = 1\npm = statik\n"),
        "line 3: `statik` is no process manager (static, dynamic, ondemand) for `pm`"
    );
    assert_eq!(error("[a]\npm = static\n"), "line 2: the pool `a` has no `listen`");
    assert_eq!(error(""), "line 1: there is no pool: a section such as `[www]` with `listen`");
}
