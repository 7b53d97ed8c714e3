//! `getenv()` and `putenv()`: each request has an environment of its own, although threads share the process's.

use crate::common::workers::{block, puppet, site};
use crate::common::{Connection, Igor, Request, Server};
use serde_json::json;
use std::thread;

/// Repeatedly sets values unique to the thread, and reads them in every way.
const PUT_AND_LOOK: &str = "
for ($n = 0; $n < 100; $n++) {
    $mine = \"$id-$n\";
    putenv(\"SHARED=$mine\");
    putenv(\"OF_$id=$n\");
    $child = $n % 20 ? $mine : rtrim(shell_exec('echo $SHARED'));
    $seen = [getenv('SHARED'), getenv('SHARED', true), getenv()['SHARED'], $child];
    if ($seen !== [$mine, $mine, $mine, $mine]) {
        throw new Exception(json_encode($seen));
    }
    foreach (getenv() as $name => $value) {
        if (str_starts_with($name, 'OF_') && $name !== \"OF_$id\") {
            throw new Exception(\"$name of another thread\");
        }
    }
}
return getenv('SHARED');";

/// NASTY 16
#[test]
fn threads_that_put_the_same_variable_see_their_own_value() {
    let server = Igor::new().frankenphp("num_threads 8").site(&site("worker {$PHP_TESTS}/worker.php 4\n")).start();
    thread::scope(|scope| {
        for id in 0..8 {
            let server = &server;
            scope.spawn(move || {
                let mut connection = Connection::open(server.address());
                let target = if id % 2 == 0 { "/eval.php" } else { "/worker.php" };
                for round in 0..5 {
                    let code = format!("$id = 'T{id}R{round}'; {PUT_AND_LOOK}");
                    let answer = connection.send(&Request::post(target, code));
                    assert_eq!(answer.json()["value"], format!("T{id}R{round}-99"), "{}", answer.text());
                }
            });
        }
    });
}

/// B56
#[test]
fn what_a_request_puts_ends_with_it() {
    let server = Igor::new()
        .frankenphp("num_threads 2")
        .site(&site("worker {$PHP_TESTS}/worker.php 1 {\nenv DECLARED declared\nenv BOOT \"putenv('BOOTED=boot'); putenv('DECLARED=by boot');\"\n}\n"))
        .start();
    let look = "return [getenv('LEFT'), isset(getenv()['LEFT']), getenv('PATH') === ($_SERVER['PATH'] ?? getenv('PATH')), shell_exec('echo \"[$LEFT]\"'), getenv('BOOTED'), getenv('DECLARED')];";
    let put = "putenv('LEFT=1'); putenv('PATH'); putenv('BOOTED=changed'); putenv('DECLARED'); return [getenv('PATH'), getenv('LEFT'), getenv('BOOTED'), getenv('DECLARED')];";
    for _ in 0..3 {
        assert_eq!(server.eval(put).value(), json!([false, "1", "changed", false]));
        assert_eq!(server.eval(look).value(), json!([false, false, true, "[]\n", false, false]));
        assert_eq!(server.eval_in_worker(put).value(), json!([false, "1", "changed", false]));
        assert_eq!(server.eval_in_worker(look).value(), json!([false, false, true, "[]\n", "boot", "by boot"]));
    }
}

/// B41, B43
#[test]
fn a_background_worker_has_an_environment_of_its_own() {
    let server = block(&(puppet("a", "env MODE declared") + &puppet("b", ""))).start();
    start(&server);
    let (mut a, mut b) = (server.puppet("a"), server.puppet("b"));
    assert_eq!(
        a.eval("putenv('MODE=put'); putenv('OF_A=1'); return [getenv('MODE'), getenv('OF_A')];").value(),
        json!(["put", "1"])
    );
    assert_eq!(a.eval("return [getenv('MODE'), getenv('OF_A')];").value(), json!(["put", "1"]));
    assert_eq!(b.eval("return [getenv('MODE'), getenv('OF_A')];").value(), json!([false, false]));
    assert_eq!(a.eval("return getenv()['FRANKENPHP_WORKER_NAME'];").value(), "a");
}

/// The workers publish nothing, so no one can wait for them.
fn start(server: &Server) {
    for name in ["a", "b"] {
        server
            .eval(&format!(
                "try {{ frankenphp_require_background_worker('{name}', 0.001); }} catch (RuntimeException) {{}}"
            ))
            .value();
    }
}

#[test]
fn child_processes_inherit_what_was_put() {
    let server = Igor::new().site(&site("env DECLARED declared")).start();
    let code = r#"
        putenv('PUT=a "quoted" $value');
        putenv('EMPTY=');
        putenv('HOME');
        $show = 'echo "[$PUT] [${EMPTY-unset}] [${HOME-unset}]"; exit 3';
        $seen = [shell_exec($show)];
        exec($show, $lines, $status);
        $seen[] = [$lines, $status];
        $pipe = popen($show, 'r');
        $seen[] = [stream_get_contents($pipe), pclose($pipe)];
        foreach ([$show, ['sh', '-c', $show]] as $command) {
            $process = proc_open($command, [1 => ['pipe', 'w']], $pipes);
            $seen[] = [stream_get_contents($pipes[1]), proc_close($process)];
        }
        $process = proc_open('echo "[$PUT] [$OWN]"', [1 => ['pipe', 'w']], $pipes, null, ['OWN' => 'own']);
        $seen[] = [stream_get_contents($pipes[1]), proc_close($process)];
        $pipe = popen('cat > ' . getenv('DIR') . '/written', 'w');
        fwrite($pipe, 'to a child');
        pclose($pipe);
        $seen[] = file_get_contents(getenv('DIR') . '/written');
        return $seen;"#;
    let line = r#"[a "quoted" $value] [] [unset]"#;
    let text = format!("{line}\n");
    assert_eq!(
        server.eval(code).value(),
        json!([text, [[line], 3], [text, 3], [text, 3], [text, 3], ["[] [own]\n", 0], "to a child"])
    );
}

/// B41
#[test]
fn all_variables_are_those_that_one_by_one_are_found() {
    let server = Igor::new().site(&site("env DECLARED declared")).start();
    let code = "putenv('PUT=1'); putenv('DIR'); $all = getenv();
        foreach ($all as $name => $value) { if (getenv((string) $name) !== $value) { return $name; } }
        return [$all['DECLARED'], $all['PUT'], isset($all['DIR']), isset($all['PATH']), isset($all['HTTP_PROXY']), $all['HTTP_X_A']];";
    let request = Request::post("/eval.php", code).header("x-a", "a header").header("proxy", "http://192.0.2.1");
    let answer = server.send(&request);
    assert_eq!(answer.json()["value"], json!(["declared", "1", false, true, false, "a header"]), "{}", answer.text());
}

#[test]
fn what_cannot_be_put_is_refused_as_by_php() {
    let server = Igor::new().site(&site("")).start();
    for setting in ["", "=x"] {
        let code = format!("try {{ putenv('{setting}'); }} catch (ValueError $e) {{ return $e->getMessage(); }}");
        assert_eq!(server.eval(&code).value(), "putenv(): Argument #1 ($assignment) must have a valid syntax");
    }
    let code = "putenv('TWICE=1'); putenv('TWICE=2'); putenv('NUMBER='); return [getenv('TWICE'), getenv('NUMBER'), getenv('twice')];";
    assert_eq!(server.eval(code).value(), json!(["2", "", false]));
}
