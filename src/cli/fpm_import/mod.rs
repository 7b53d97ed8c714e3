//! `igor fpm --import`: converts a pool file of php-fpm to a Caddyfile.
//!
//! A setting that igor handles differently, or not at all, becomes a comment with its reason, so that nothing is lost
//! silently. `setting` reads the lines, `pool` converts a pool, `reasons` knows why a setting stays behind.

mod pool;
mod reasons;
mod setting;
mod words;

use std::fmt::Write as _;

use pool::{Site, site};
use reasons::global_reason;
use setting::{ImportError, Section, Setting, sections};
use words::word;

/// The settings of php-fpm as a whole that igor has.
#[derive(Default)]
struct Whole {
    /// Lines of the global block `log`.
    log: Vec<String>,
    /// `process_control_timeout`, in seconds.
    grace: Option<u64>,
    /// `process.max`
    most: Option<usize>,
}

/// The Caddyfile for a pool file. `source` is named in its first line.
///
/// # Errors A line is not a setting, a value is not a number, or no pool has a `listen`.
pub(super) fn caddyfile(text: &str, source: &str) -> Result<String, ImportError> {
    let mut left = Vec::new();
    let mut sites = Vec::new();
    let mut whole = Whole::default();
    for section in sections(text)? {
        if section.name == "global" {
            take_global(&mut whole, &section, &mut left)?;
        } else {
            sites.push(site(&section, &mut left)?);
        }
    }
    if sites.is_empty() {
        return Err(ImportError {
            line: 1,
            message: "there is no pool: a section such as `[www]` with `listen`".into(),
        });
    }
    Ok(written(source, &whole, &sites, left))
}

fn take_global(whole: &mut Whole, section: &Section<'_>, left: &mut Vec<String>) -> Result<(), ImportError> {
    for setting in &section.settings {
        match setting.name {
            "error_log" if setting.value.starts_with('/') => whole.log.push(output(&setting.value)),
            "log_level" => whole.log.push(format!("level {}", level(setting)?)),
            "process_control_timeout" => whole.grace = Some(setting.seconds()?).filter(|seconds| *seconds > 0),
            "process.max" => whole.most = Some(setting.number()?).filter(|most| *most > 0),
            name => left.push(setting.kept(&global_reason(name))),
        }
    }
    Ok(())
}

fn output(path: &str) -> String {
    match path {
        "/proc/self/fd/2" | "/dev/stderr" => "output stderr".to_owned(),
        path => format!("output file {}", word(path)),
    }
}

fn level(setting: &Setting<'_>) -> Result<&'static str, ImportError> {
    match setting.value.as_str() {
        "alert" | "error" => Ok("error"),
        "warning" => Ok("warn"),
        "notice" => Ok("info"),
        "debug" => Ok("debug"),
        _ => Err(setting.is_not_a("log level")),
    }
}

/// A line of a block.
fn line(text: &mut String, depth: usize, line: &str) {
    text.extend(std::iter::repeat_n('\t', depth));
    text.push_str(line);
    text.push('\n');
}

/// A block; without lines it is empty text.
fn block(text: &mut String, depth: usize, head: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    line(text, depth, &format!("{head} {{"));
    lines.iter().for_each(|own| line(text, depth + 1, own));
    line(text, depth, "}");
}

fn written(source: &str, whole: &Whole, sites: &[Site], mut left: Vec<String>) -> String {
    let mut text = format!("# From {source}\n{{\n");
    if let Some(seconds) = whole.grace {
        line(&mut text, 1, &format!("grace_period {seconds}s"));
    }
    block(&mut text, 1, "log", &whole.log);
    let mut frankenphp = threads(whole, sites);
    frankenphp.extend(settings_of_process(sites, &mut left));
    if frankenphp.is_empty() {
        line(&mut text, 1, "frankenphp");
    }
    block(&mut text, 1, "frankenphp", &frankenphp);
    text += "}\n";
    for site in sites {
        let _ = write!(text, "\n{} {{\n", site.address);
        if let Some(bind) = &site.bind {
            let mode = site.mode.as_ref().map(|mode| format!("|{mode}")).unwrap_or_default();
            line(&mut text, 1, &format!("bind {}", word(&format!("{bind}{mode}"))));
        }
        block(&mut text, 1, "log", &site.log);
        if site.php.is_empty() {
            line(&mut text, 1, "php");
        }
        block(&mut text, 1, "php", &site.php);
        text += "}\n";
    }
    if !left.is_empty() {
        text += "\n# Not taken over:\n";
        left.iter().for_each(|comment| line(&mut text, 0, &format!("# {comment}")));
    }
    text
}

/// All pools share the threads of one process.
fn threads(whole: &Whole, sites: &[Site]) -> Vec<String> {
    let own = sites.iter().filter_map(|site| site.threads.most).sum::<usize>();
    let most = whole.most.map_or(own, |most| own.min(most));
    let start = |site: &Site| if site.threads.is_static { site.threads.most } else { site.threads.start };
    let start = sites.iter().filter_map(start).sum::<usize>();
    let mut lines = match (start, most) {
        (0, 0) => Vec::new(),
        (start, most) if most > start => vec![format!("num_threads {}", start.max(1)), format!("max_threads {most}")],
        (start, 0) => vec![format!("num_threads {start}")],
        (_, most) => vec![format!("num_threads {most}")],
    };
    let idle = sites.iter().filter_map(|site| site.threads.idle).max().filter(|seconds| *seconds > 0);
    lines.extend(idle.map(|seconds| format!("max_idle_time {seconds}s")));
    lines
}

/// The settings that PHP reads once. Those of the first pool win.
fn settings_of_process(sites: &[Site], left: &mut Vec<String>) -> Vec<String> {
    let mut set: Vec<&(String, String)> = Vec::new();
    for pair in sites.iter().flat_map(|site| &site.ini) {
        match set.iter().find(|(name, _)| *name == pair.0) {
            Some((_, value)) if *value == pair.1 => {}
            Some(_) => {
                left.push(format!("{} = {}: another pool has another value, and all have one PHP", pair.0, pair.1));
            }
            None => set.push(pair),
        }
    }
    set.iter().map(|(name, value)| format!("php_ini {name} {}", word(value))).collect()
}

#[cfg(test)]
mod tests;
