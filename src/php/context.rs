//! The state of one PHP thread. A jump out of PHP crosses no Rust frame that owns anything. The exchange, the pins and
//! every buffer belong to the [`Context`], and [`Context::end`] clears them after the PHP request, however it ended.

mod workers;

pub(super) use workers::no_scope;

use super::interrupt::Interrupt;
use super::mode::Mode;
use super::options::ThreadOptions;
use super::safepoint::{Admission, Member, Started, safepoint};
use super::spans::{self, TRACEPARENT};
use super::usage::Measured;
use super::work::{Ended, Failure, FailureKind, Run, Scope, ScriptError, Work};
use crate::exchange::{Exchange, Flow, IniText, Interface, Pairs, RequestHead, ResponseHead};
use crate::ffi::{self, igor_pair, igor_request, igor_verdict};
use crate::traces::{Span, TraceContext};
use crate::vars::Pins;
use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::Arc;

/// The state behind the `host` pointer of one PHP thread. Boxed, so that its address never changes.
pub(super) struct Context {
    /// What this thread does: classic requests, the jobs of an HTTP worker, or the runs of a background worker.
    pub(super) work: Box<dyn Work>,
    /// Shared with the threads that may have to end this thread's script.
    pub(super) interrupt: Arc<Interrupt>,
    /// Of a snapshot: the bytes and the depth of what a script publishes or stores.
    pub(super) limits: crate::vars::Limits,
    /// This thread's entry in the safepoint, from its creation to its drop.
    pub(super) member: Arc<Member>,
    /// How the safepoint let this thread into its current PHP request.
    admission: Admission,
    /// The snapshots that the current PHP request may still read; released at its end.
    pub(super) pins: Pins,
    /// The tasks that the current PHP request has sent or taken.
    pub(super) tasks: super::open_tasks::OpenTasks,
    /// The stores that the current PHP request has opened.
    pub(super) stores: super::open_stores::OpenStores,
    /// The settings of the thread's requests as C reads them; points into the value after it.
    settings: Vec<igor_pair>,
    /// Only held, because `settings` points into it.
    _settings: Arc<Pairs>,
    /// The request that is being answered. A worker has none between two jobs, and a background worker never has one.
    exchange: Option<Box<dyn Exchange>>,
    /// The span of the script's work for that request; `None`: the request is not traced.
    span: Option<Span>,
    /// The context of the current span, for `getenv()`.
    traceparent: CString,
    /// What this request has used so far, if anyone asks.
    measured: Option<Measured>,
    /// The run of a worker's script; `None` on a classic thread.
    run: Option<Run>,
    /// The workers that the current script sees; `None`: it runs outside of every scope.
    pub(super) scope: Option<Arc<dyn Scope>>,
    /// `$_SERVER` as C reads it; points into the exchange or the run. Empty until C asks.
    server_vars: Vec<igor_pair>,
    /// The environment as C reads it; points into the value after it.
    environment: Vec<igor_pair>,
    /// Only held. C may look at it until the next request or run.
    _environment: Option<Arc<Pairs>>,
    /// `argv` as C reads it; points there too.
    argv: Vec<*const c_char>,
    /// The header lines so far, until C sends them with the status.
    head: ResponseHead,
    /// The fatal error or uncaught exception of the current PHP request, for the log and the worker's state.
    error: Option<ScriptError>,
    /// The names for the next `ensure()`, which C adds one by one.
    names: Vec<Vec<u8>>,
    /// The text that C may still read after a host call has returned.
    text: Vec<u8>,
    /// The constants of scripts that this thread has laundered.
    #[cfg(feature = "launder")]
    laundry: super::launder::Laundry,
}

impl Context {
    pub(super) fn new(work: Box<dyn Work>, interrupt: Arc<Interrupt>, options: ThreadOptions) -> Self {
        let long_lived = work.mode() != Mode::Classic;
        let pins = Pins::new(long_lived, options.policy, options.copy_budget);
        let mut settings = Vec::new();
        fill(&mut settings, &options.settings);
        Self {
            member: safepoint().join(work.mode(), &interrupt),
            admission: Admission::Beside,
            work,
            interrupt,
            limits: options.limits,
            pins,
            tasks: super::open_tasks::OpenTasks::default(),
            stores: super::open_stores::OpenStores::new(options.stores),
            settings,
            _settings: options.settings,
            exchange: None,
            span: None,
            traceparent: CString::default(),
            measured: None,
            run: None,
            scope: None,
            server_vars: Vec::new(),
            environment: Vec::new(),
            _environment: None,
            argv: Vec::new(),
            head: ResponseHead::default(),
            error: None,
            names: Vec::new(),
            text: Vec::new(),
            #[cfg(feature = "launder")]
            laundry: super::launder::Laundry::default(),
        }
    }

    /// Waits until a PHP request may start.
    pub(super) fn enter(&mut self) -> Admission {
        self.admission = safepoint().enter(&self.member);
        self.interrupt.begin();
        self.admission
    }

    /// Reports to the safepoint that the PHP request has started.
    pub(super) fn entered(&mut self, started: Started) {
        safepoint().entered(&self.member, self.admission, started);
        self.admission = Admission::Beside;
    }

    /// Accepts an HTTP request and describes it to C.
    pub(super) fn open(&mut self, mut exchange: Box<dyn Exchange>, scope: Option<Arc<dyn Scope>>) -> igor_request {
        if let Some(scope) = scope {
            self.scope = Some(scope);
        }
        self.head = ResponseHead::default();
        exchange.taken(self.interrupt.waits());
        self.measured = exchange.usage().map(Measured::begin);
        let body_length = exchange.whole_body().and_then(|length| i64::try_from(length).ok()).unwrap_or(-1);
        let request = self.describe(exchange.head(), body_length);
        self.span = spans::of_script(exchange.head(), self.run.as_ref());
        self.exchange = Some(exchange);
        request
    }

    /// Describes a request to C. The pointers are valid until the exchange is closed or the next description is made.
    fn describe(&mut self, head: &RequestHead, body_length: i64) -> igor_request {
        self.server_vars.clear();
        // A worker's script has seen its own variables when it booted.
        let environment = self.run.as_ref().map_or(&head.environment, |run| &run.environment).clone();
        let (environment, environment_len) = self.see_environment(environment);
        let command = head.command.as_ref();
        let interface = command.map(|command| command.interface);
        self.argv.clear();
        self.argv.extend(command.iter().flat_map(|command| &command.arguments).map(|argument| argument.as_ptr()));
        igor_request {
            script: head.script.as_ptr(),
            method: head.method.as_ptr(),
            uri: head.uri.as_ptr(),
            query: head.query.as_ptr(),
            content_type: optional(head.content_type.as_ref()),
            content_length: head.content_length,
            body_length,
            cookie: optional(head.cookie.as_ref()),
            authorization: optional(head.authorization.as_ref()),
            protocol: head.protocol,
            environment,
            environment_len,
            argv: self.argv.as_ptr(),
            argc: self.argv.len() as i32,
            code: command.map_or(ptr::null(), |command| optional(command.code.as_ref())),
            own_process: command.is_some(),
            command_line: interface == Some(Interface::Cli),
            no_headers: matches!(interface, Some(Interface::Cgi { quiet: true, .. })),
            no_chdir: matches!(interface, Some(Interface::Cli | Interface::Cgi { stays: true, .. })),
            settings: self.settings.as_ptr(),
            settings_len: self.settings.len(),
            ini_values: ini(head.block_ini.as_deref(), |text| &text.values),
            ini_admin: ini(head.block_ini.as_deref(), |text| &text.admin),
            own_ini_values: ini(head.own_ini.as_deref(), |text| &text.values),
            own_ini_admin: ini(head.own_ini.as_deref(), |text| &text.admin),
            has_job: true,
        }
    }

    /// Accepts a run of a worker script and describes it to C.
    pub(super) fn start(&mut self, run: Run) -> igor_request {
        self.server_vars.clear();
        let (environment, environment_len) = self.see_environment(run.environment.clone());
        self.scope = Some(run.scope.clone());
        self.argv.clear();
        if let Some(argument) = &run.argument {
            self.argv.extend([run.script.as_ptr(), argument.as_ptr()]);
        }
        let request = igor_request {
            script: run.script.as_ptr(),
            // An HTTP worker boots in a request without a client, a background worker in none.
            method: if self.work.mode() == Mode::HttpWorker { c"GET".as_ptr() } else { ptr::null() },
            uri: c"".as_ptr(),
            query: c"".as_ptr(),
            content_type: ptr::null(),
            content_length: 0,
            body_length: -1,
            cookie: ptr::null(),
            authorization: ptr::null(),
            protocol: 1000,
            environment,
            environment_len,
            argv: self.argv.as_ptr(),
            argc: self.argv.len() as i32,
            code: ptr::null(),
            own_process: false,
            settings: self.settings.as_ptr(),
            settings_len: self.settings.len(),
            ini_values: ini(run.ini.as_deref(), |text| &text.values),
            ini_admin: ini(run.ini.as_deref(), |text| &text.admin),
            own_ini_values: ptr::null(),
            own_ini_admin: ptr::null(),
            command_line: false,
            no_headers: false,
            no_chdir: false,
            has_job: false,
        };
        self.run = Some(run);
        request
    }

    /// The variables that take the place of those of the process, for C; null: none do.
    fn see_environment(&mut self, environment: Option<Arc<Pairs>>) -> (*const igor_pair, usize) {
        self.environment.clear();
        if let Some(pairs) = &environment {
            extend(&mut self.environment, pairs);
        }
        let first = if environment.is_some() { self.environment.as_ptr() } else { ptr::null() };
        self._environment = environment;
        (first, self.environment.len())
    }

    /// Names the background workers that the script of an adopted thread sees.
    pub(super) fn see(&mut self, scope: Arc<dyn Scope>) {
        self.scope = Some(scope);
    }

    /// Ends the current job; the drop completes the response.
    pub(super) fn close_job(&mut self, failed: bool) {
        if let Some(mut span) = self.span.take().filter(|_| failed) {
            spans::note_failure(&mut span, self.error.as_ref());
        }
        if let Some(mut exchange) = self.exchange.take() {
            self.tasks.request_ended();
            self.note_usage();
            exchange.ended(failed);
            drop(exchange);
            self.work.job_ended();
        }
        self.server_vars.clear();
    }

    /// Ends the PHP request: `php_request_shutdown()` has returned.
    pub(super) fn end(&mut self, outcome: &ffi::igor_outcome) {
        safepoint().leave(&self.member);
        self.close_job(outcome.failed);
        self.interrupt.end();
        let ended = Ended {
            exit_status: outcome.exit_status,
            failed: outcome.failed,
            handled: outcome.handled,
            error: self.error.take(),
        };
        for undone in self.tasks.ended(&ended) {
            self.work.log(4, &undone);
        }
        self.stores.end();
        self.pins.release();
        #[cfg(feature = "launder")]
        self.laundry.clear();
        self.run = None;
        self.scope = None;
        self.names.clear();
        self.work.ended(ended);
    }

    /// A later error replaces it: the last one is what ended the script.
    pub(super) fn script_error(&mut self, error: ScriptError) {
        self.error = Some(error);
    }

    /// Notes what the request has used, because its response ends.
    fn note_usage(&mut self) {
        if let Some(measured) = self.measured.take() {
            measured.note();
        }
    }

    /// Ends the response while the script runs on.
    pub(super) fn finish(&mut self) {
        self.note_usage();
        if let Some(exchange) = self.exchange.as_mut() {
            exchange.finish();
        }
        self.work.responded();
    }

    pub(super) fn exchange(&mut self) -> Option<&mut Box<dyn Exchange>> {
        self.exchange.as_mut()
    }

    // ---- Responses ----

    /// Output without a request, as of a worker's boot, goes to the log.
    pub(super) fn write(&mut self, bytes: &[u8]) -> igor_verdict {
        match self.exchange.as_mut() {
            Some(exchange) => verdict(exchange.write(bytes)),
            None => {
                self.work.output(bytes);
                igor_verdict::IGOR_OK
            }
        }
    }

    /// One line, `Name: value`, before the head is sent.
    pub(super) fn header(&mut self, line: &[u8]) {
        self.head.push_line(line);
    }

    /// Sends the head with the lines so far. Without a request the lines are dropped.
    pub(super) fn send_head(&mut self, status: u16) -> igor_verdict {
        let mut head = std::mem::take(&mut self.head);
        head.status = status;
        self.exchange.as_mut().map_or(igor_verdict::IGOR_OK, |exchange| verdict(exchange.respond(head)))
    }

    /// Sends a response with a status of 1xx before the final one.
    pub(super) fn inform(&mut self, status: u16) -> igor_verdict {
        let mut head = std::mem::take(&mut self.head);
        head.status = status;
        self.exchange.as_mut().map_or(igor_verdict::IGOR_OK, |exchange| verdict(exchange.inform(head)))
    }

    // ---- Text that C reads after the call ----

    /// Keeps the message for C, which throws it as an exception of the failure's kind.
    pub(super) fn fail(&mut self, failure: Failure) -> igor_verdict {
        // PHP takes the message as a C string; names in it may contain any byte.
        self.text = failure.message.replace('\0', "\\0").into_bytes();
        match failure.kind {
            FailureKind::Runtime => igor_verdict::IGOR_RUNTIME_EXCEPTION,
            FailureKind::Value => igor_verdict::IGOR_VALUE_ERROR,
            FailureKind::Logic => igor_verdict::IGOR_LOGIC_EXCEPTION,
        }
    }

    /// A failure is kept for C to throw.
    pub(super) fn settle(&mut self, result: Result<(), Failure>) -> igor_verdict {
        result.map_or_else(|failure| self.fail(failure), |()| igor_verdict::IGOR_OK)
    }

    /// The message for PHP about a call in which Rust panicked.
    pub(super) fn note_panic(&mut self, call: &str) {
        self.text = format!("a defect of igor was met in {call}(); its log has more").into_bytes();
    }

    /// Valid until the next call that fails or describes something.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The span for which the script works now: that of its request, or of the newest task that it has taken.
    pub(super) fn trace(&self) -> Option<TraceContext> {
        // Scripts see the server's span as theirs; the span of their own work begins and ends with them.
        let of_request = self.exchange.as_ref().and_then(|exchange| exchange.head().trace);
        of_request.or_else(|| self.tasks.trace())
    }

    /// What the request or the run has for `$_SERVER`. The pointers are valid until it ends or the next call.
    pub(super) fn server_vars(&mut self) -> &[igor_pair] {
        self.server_vars.clear();
        if let Some(exchange) = &self.exchange {
            extend(&mut self.server_vars, exchange.server_vars());
            if let Some(run) = &self.run {
                extend(&mut self.server_vars, &run.request_vars);
            }
        } else if let Some(run) = &self.run {
            extend(&mut self.server_vars, &run.server_vars);
        }
        &self.server_vars
    }

    /// The script's own environment is the source of its `$_SERVER`.
    pub(super) fn getenv(&mut self, name: &[u8]) -> *const c_char {
        let of_request = self.exchange.as_ref().map(|exchange| exchange.server_vars());
        let of_run = self.run.as_ref().filter(|_| self.exchange.is_none()).map(|run| &run.server_vars);
        // Variables that are declared for the script win over the client's.
        let own = self.run.as_ref().map(|run| &run.request_vars);
        let value = [own, of_request, of_run].into_iter().flatten().find_map(|vars| vars.get(name));
        // A NUL follows the value.
        if let Some(value) = value {
            return value.as_ptr().cast();
        }
        match self.trace().filter(|_| name == TRACEPARENT) {
            Some(trace) => {
                self.traceparent = CString::new(trace.to_string()).unwrap_or_default();
                self.traceparent.as_ptr()
            }
            None => ptr::null(),
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        safepoint().resign(&self.member);
    }
}

/// Whether C continues after an output.
fn verdict(flow: Flow) -> igor_verdict {
    match flow {
        Flow::Continue => igor_verdict::IGOR_OK,
        Flow::ClientGone => igor_verdict::IGOR_CLIENT_GONE,
    }
}

/// As C reads it; null: none.
fn optional(string: Option<&CString>) -> *const c_char {
    string.map_or(ptr::null(), |string| string.as_ptr())
}

fn ini(text: Option<&IniText>, half: impl FnOnce(&IniText) -> &CString) -> *const c_char {
    text.map_or(ptr::null(), |text| half(text).as_ptr())
}

/// Replaces what was there, and keeps its memory for the next request.
fn fill(into: &mut Vec<igor_pair>, vars: &Pairs) {
    into.clear();
    extend(into, vars);
}

/// As C reads them: the pointers are valid as long as `vars` lives and does not change.
fn extend(into: &mut Vec<igor_pair>, vars: &Pairs) {
    into.extend(vars.iter().map(|(name, value)| pair(name, value)));
}

/// One of [`Pairs`] as C reads it.
pub(super) fn pair(name: &[u8], value: &[u8]) -> igor_pair {
    igor_pair { name: name.as_ptr().cast(), name_len: name.len(), value: value.as_ptr().cast(), value_len: value.len() }
}
