# shellcheck shell=bash
# Messages, phases, locks and small helpers. Sourced by scripts/php.sh.
# Only results go to standard output; messages go to standard error.

# How long to wait for another build of the same PHP: longer than a slow machine needs, but short enough to notice a stuck
# build.
readonly LOCK_WAIT_SECONDS_MAX=7200

# How long a build may take to end after it was asked to: it only cleans up.
readonly END_WAIT_SECONDS_MAX=10

# How often run_watched looks after a twentieth of a second, before it looks once a second.
readonly SHORT_LOOKS=20

# Lines of a log shown when a phase fails.
readonly LOG_TAIL_LINES=30

say() { printf '%s\n' "$*" >&2; }

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# version_at_least WANTED HAVE: true when HAVE is WANTED or newer.
version_at_least() {
    [[ $(printf '%s\n%s\n' "$1" "$2" | sort --version-sort | head --lines=1) == "$1" ]]
}

# sha256_of FILE: its SHA-256 in hexadecimal. macOS has another program for it.
sha256_of() {
    local hash
    if command -v sha256sum >/dev/null; then
        hash=$(sha256sum -- "$1")
    else
        hash=$(shasum -a 256 -- "$1")
    fi
    printf '%s\n' "${hash%% *}"
}

# fail_with_log LOG MESSAGE: shows the end of the log, then fails.
fail_with_log() {
    local log=$1
    shift
    say "--- the last $LOG_TAIL_LINES lines of $log"
    # Compiler commands are thousands of characters long; the start is enough.
    tail -n "$LOG_TAIL_LINES" -- "$log" | cut -c 1-400 >&2
    say '---'
    fail "$* (log: $log)"
}

# run_phase LABEL LOG MESSAGE COMMAND...: runs a command with its output in LOG,
# prints how long it took, and fails with MESSAGE if the command fails.
run_phase() {
    local label=$1 log=$2 message=$3 started=$SECONDS
    shift 3
    run_watched "$label" "$log" 0 "$@" || fail_with_log "$log" "$message"
    phase_done "$label" "$started"
}

phase_done() {
    clear_counter
    say "$(printf '  %-11s %5d s' "$1" $((SECONDS - $2)))"
}

# The process group started by run_watched, or empty. The EXIT trap ends it.
WATCHED_PID=''

# run_watched LABEL LOG TOTAL COMMAND...: runs a command in the background, so that a signal ends it at once, and shows its
# progress. TOTAL is the number of files to compile, or 0 if there is nothing to count.
run_watched() {
    local label=$1 log=$2 total=$3
    shift 3
    # Job control puts the command into a process group, which can be ended whole.
    COUNTER_TENTH=0
    set -m
    "$@" >"$log" 2>&1 </dev/null &
    WATCHED_PID=$!
    set +m
    local started=$SECONDS looks=0
    while kill -0 "$WATCHED_PID" 2>/dev/null; do
        # Many commands take only an instant.
        if ((++looks <= SHORT_LOOKS)); then
            sleep 0.05
            continue
        fi
        show_counter "$label" "$log" "$total" "$started"
        sleep 1
    done
    local status=0
    wait "$WATCHED_PID" || status=$?
    WATCHED_PID=''
    clear_counter
    return "$status"
}

# The last tenth that was printed when the output is not a terminal.
COUNTER_TENTH=0

show_counter() {
    local label=$1 log=$2 total=$3 elapsed=$((SECONDS - $4)) compiled percent progress
    if ((total == 0)); then
        [[ ! -t 2 ]] || printf '\r  %-11s %5d s\033[K' "$label" "$elapsed" >&2
        return 0
    fi
    compiled=$(count_compiled "$log")
    percent=$((compiled * 100 / total))
    progress=$(printf '  %-11s %5d s  %d of %d files%s' "$label" "$elapsed" "$compiled" "$total" \
        "$(time_left "$elapsed" "$compiled" "$total")")
    if [[ -t 2 ]]; then
        printf '\r%s\033[K' "$progress" >&2
    elif ((percent / 10 > COUNTER_TENTH)); then
        COUNTER_TENTH=$((percent / 10))
        say "$progress"
    fi
}

# Seconds that compiling took the last time on this machine, or empty.
LAST_COMPILE=''

# The percentage of the compile time that has passed after each tenth of the files, measured with PHP 8.4. The engine and
# opcache, at the two ends, take longest.
COMPILE_SHARES=(0 16 22 25 30 37 47 58 67 77 100)

# time_left ELAPSED COMPILED TOTAL: in words. The more this build has done, the more its own speed counts; at first the last
# build's time counts.
time_left() {
    local elapsed=$1 tenths=$(($2 * 100 / $3)) tenth=$(($2 * 10 / $3)) share left
    share=${COMPILE_SHARES[tenth]}
    ((tenth == 10)) || share=$((share + (COMPILE_SHARES[tenth + 1] - share) * (tenths - tenth * 10) / 10))
    if ((share >= 8 && elapsed > 0)); then
        left=$((elapsed * (100 - share) / share))
        [[ -z $LAST_COMPILE ]] || left=$((left * share / 100 + LAST_COMPILE * (100 - share) / 100 * (100 - share) / 100))
    elif [[ -n $LAST_COMPILE ]]; then
        left=$((LAST_COMPILE > elapsed ? LAST_COMPILE - elapsed : 0))
    else
        return 0
    fi
    printf ', about %s left' "$(in_words "$left")"
}

# in_words SECONDS
in_words() {
    if (($1 < 90)); then
        printf '%d s' "$1"
    else
        printf '%d min' $((($1 + 30) / 60))
    fi
}

clear_counter() {
    [[ ! -t 2 ]] || printf '\r\033[K' >&2
}

# count_compiled FILE: the number of compiler calls in this log of PHP's make.
count_compiled() {
    grep --count -e ' --mode=compile ' -- "$1" || true
}

# A folder to remove unless the script reaches its end, or empty.
UNFINISHED_FOLDER=''

# end_group ID: asks a process group to end, waits, and kills it when the time is over. make and configure remove half
# written files when asked.
end_group() {
    local id=$1 deadline=$((SECONDS + END_WAIT_SECONDS_MAX))
    kill -TERM -- "-$id" 2>/dev/null || true
    while kill -0 -- "-$id" 2>/dev/null; do
        if ((SECONDS >= deadline)); then
            kill -KILL -- "-$id" 2>/dev/null || true
            break
        fi
        sleep 0.1
    done
    wait "$id" 2>/dev/null || true
}

# on_exit ends and removes what this script started and nothing else.
on_exit() {
    if [[ -n $WATCHED_PID ]] && kill -0 "$WATCHED_PID" 2>/dev/null; then
        clear_counter
        end_group "$WATCHED_PID"
        say 'interrupted; run the same command again to continue'
    fi
    [[ -z $UNFINISHED_FOLDER ]] || rm -rf -- "$UNFINISHED_FOLDER" "$UNFINISHED_FOLDER.log"
}

install_traps() {
    trap on_exit EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

# The descriptor of the held lock, or empty. At most one lock is held.
LOCK_DESCRIPTOR=''

# take_lock NAME: takes a lock that release_lock or the end of this script releases. Processes started meanwhile hold it
# too, so others also wait for a compiler that outlives a killed script.
take_lock() {
    local file=$CACHE/locks/$1.lock
    mkdir -p -- "$CACHE/locks"
    exec {LOCK_DESCRIPTOR}>>"$file"
    if ! flock --nonblock "$LOCK_DESCRIPTOR"; then
        say "waiting for another process that is working on $1"
        run_watched waiting /dev/null 0 flock --timeout "$LOCK_WAIT_SECONDS_MAX" "$LOCK_DESCRIPTOR" ||
            fail "waiting for the lock $file: still held after $LOCK_WAIT_SECONDS_MAX seconds; end the process that holds it"
    fi
}

release_lock() {
    exec {LOCK_DESCRIPTOR}>&-
    LOCK_DESCRIPTOR=''
}

# clean_env COMMAND...: runs a command in an environment that holds only what a
# build needs. Variables such as CFLAGS, PHPRC or MAKEFLAGS would otherwise
# change the build without changing its key.
clean_env() {
    env --ignore-environment \
        PATH="$PATH" HOME="${HOME:-/}" TMPDIR="${TMPDIR:-/tmp}" LANG=C LC_ALL=C \
        ASAN_OPTIONS=detect_leaks=0 \
        "$@"
}
