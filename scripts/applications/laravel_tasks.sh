# shellcheck shell=bash disable=SC2034
# The recipe of Laravel's queue without a database: jobs are tasks for the worker that runs `queue:work`. Sourced by
# scripts/applications.sh.

# shellcheck source=scripts/applications/laravel.sh
source "$ROOT/scripts/applications/laravel.sh"

application_laravel_tasks() {
    local base number stopped
    cp -R -- "$ROOT/examples/recipes/laravel-queue/." "$SITE/"
    sed -e '0,/{/s//{\n\tadmin off/' -e 's|env QUEUE_CONNECTION tasks|&\n\t\tenv QUEUE_RETRY_AFTER 2|' "$SITE/tasks.Caddyfile" >"$SITE/Caddyfile"
    : >"$SITE/storage/notes.txt"
    laravel_served
    for number in {1..12}; do
        curl --silent --fail "$base/?text=note-$number" | has "page $number dispatches" sent
    done
    until_true 'twelve jobs' laravel_done 12
    passed 'queue:work does each job once'
    laravel_tasks_later

    curl --silent --fail "$base/?text=last&milliseconds=1500" >/dev/null
    until_true 'the last job to be taken' grep --quiet 'taken: last' "$SITE/storage/notes.txt"
    stopped=$SECONDS
    stop_igor
    ((SECONDS - stopped < 5)) || fail "$APPLICATION: the stop took the whole grace period"
    grep --quiet '^last$' "$SITE/storage/notes.txt" || fail "$APPLICATION: the job in work was lost"
    passed 'a stop lets the job finish'
    laravel_tasks_dies
}

# laravel_tasks_later: jobs that are delayed, that fail, and that find the worker busy.
laravel_tasks_later() {
    local number sent
    sent=$(date +%s%N)
    curl --silent --fail "$base/?text=delayed&delay=2" >/dev/null
    until_true 'the delayed job' grep --quiet '^delayed$' "$SITE/storage/notes.txt"
    (($(date +%s%N) - sent > 1000000000)) || fail "$APPLICATION: the job was not delayed"
    passed 'a delayed job is done after its delay'
    curl --silent --fail "$base/?text=unlucky&throws=2" >/dev/null
    until_true 'the third attempt' grep --quiet '^unlucky$' "$SITE/storage/notes.txt"
    [[ $(grep --count '^taken: unlucky$' "$SITE/storage/notes.txt") -eq 3 ]] || fail "$APPLICATION: not three attempts"
    passed 'a job that fails is tried again, and done the third time'
    curl --silent --fail "$base/?text=long&milliseconds=8000" >/dev/null
    until_true 'the long job to be taken' grep --quiet 'taken: long' "$SITE/storage/notes.txt"
    curl --silent --fail "$base/?text=behind" >/dev/null
    ! grep --quiet '^long$' "$SITE/storage/notes.txt" || fail "$APPLICATION: the page has waited for the worker"
    until_true 'the job behind it' grep --quiet '^behind$' "$SITE/storage/notes.txt"
    passed 'a job waits in the store while the worker is busy, and the page does not'
}

# laravel_tasks_dies: a run that dies loses no job.
laravel_tasks_dies() {
    laravel_served
    curl --silent --fail "$base/?text=deadly&dies=1" >/dev/null
    until_true 'the second delivery' grep --quiet '^deadly$' "$SITE/storage/notes.txt"
    kill -s TERM "$SERVER"
    wait "$SERVER" || fail "$APPLICATION: igor ended with status $?"
    SERVER=''
    [[ $(grep --count '^taken: deadly$' "$SITE/storage/notes.txt") -eq 2 ]] || fail "$APPLICATION: not two deliveries"
    passed 'a job of a worker that died is done by the next run'
}
