# shellcheck shell=bash disable=SC2034
# The recipe of Laravel's queue and scheduler with Debian's framework: pages dispatch jobs, `queue:work` and the
# scheduler are background workers, and end in order when the server stops. Sourced by scripts/applications.sh.

application_laravel() {
    local base number stopped
    cp -R -- "$ROOT/examples/recipes/laravel-queue/." "$SITE/"
    sed -i '1i {\n\tadmin off\n}' "$SITE/Caddyfile"
    : >"$SITE/storage/notes.txt"
    (cd -- "$SITE" && "$IGOR" php-cli database/jobs.php) >"$SITE/jobs.log" 2>&1 || fail "$APPLICATION: its table is not made"
    laravel_served
    for number in {1..12}; do
        curl --silent --fail "$base/?text=note-$number" | has "page $number dispatches" sent
    done
    until_true 'twelve jobs' laravel_done 12
    passed 'queue:work does each job once'
    until_true 'the scheduled job, at the next full minute' grep --quiet '^scheduled$' "$SITE/storage/notes.txt"
    passed 'the scheduler runs what is due'

    curl --silent --fail "$base/?text=last&milliseconds=1500" >/dev/null
    until_true 'the last job to be taken' grep --quiet 'taken: last' "$SITE/storage/notes.txt"
    stopped=$SECONDS
    stop_igor
    ((SECONDS - stopped < 5)) || fail "$APPLICATION: the stop took the whole grace period"
    grep --quiet '^last$' "$SITE/storage/notes.txt" || fail "$APPLICATION: the job in work was lost"
    [[ $(grep --count 'background worker stopped .*exit_status=0' "$SITE/igor.log") -eq 2 ]] ||
        fail "$APPLICATION: a run did not end by itself; see $SITE/igor.log"
    passed 'a stop lets the job finish, and both runs end with status 0'
    laravel_times_out
}

# laravel_served: starts the server. Sets $base.
laravel_served() {
    rm -f -- "$SITE/igor.log"
    (cd -- "$SITE" && PORT=0 exec "$IGOR" run --config Caddyfile) >"$SITE/igor.log" 2>&1 &
    SERVER=$!
    until_true 'igor' grep --quiet 'listening .*address=' "$SITE/igor.log"
    base=http://localhost:$(sed -n 's/.*listening.*address=[^ ]*:\([0-9]*\) .*/\1/p' "$SITE/igor.log" | head -n 1)
}

# laravel_times_out: Laravel sets an alarm for each job, and kills its own process when it rings. That ends the run alone.
laravel_times_out() {
    sed -i "s/'--sleep=1'/'--sleep=1', '--timeout=3'/" "$SITE/bin/queue"
    laravel_served
    curl --silent --fail "$base/?text=endless&milliseconds=600000" >/dev/null
    until_true 'the record of the killed run' grep --quiet '(KILL) ended this script' "$SITE/igor.log"
    until_true 'the next run' grep --quiet 'background worker started .*worker="*queue"* .*run=2' "$SITE/igor.log"
    curl --silent --fail "$base/?text=after-the-kill" >/dev/null
    until_true 'a job after it' grep --quiet '^after-the-kill$' "$SITE/storage/notes.txt"
    kill -s TERM "$SERVER"
    wait "$SERVER" || fail "$APPLICATION: igor ended with status $?"
    SERVER=''
    grep --quiet 'background worker stopped .*worker="*queue"* .*run=2 .*exit_status=0' "$SITE/igor.log" ||
        fail "$APPLICATION: the run after the killed one did not end by itself; see $SITE/igor.log"
    passed 'a job that takes too long ends its run, with a record, and neither the server nor the queue'
}

# laravel_done COUNT: so many jobs were done, each once.
laravel_done() {
    [[ $(grep '^note-' "$SITE/storage/notes.txt" | sort -u | wc -l) -eq $1 && $(grep --count '^note-' "$SITE/storage/notes.txt") -eq $1 ]]
}
