# shellcheck shell=bash
# Starts, finds and ends processes by what was recorded of them. A process is known by
# its pid, its start time and the boot, so that a recycled pid is never taken for ours.
# Needs settings.sh.

# start NAME COMMAND...: runs COMMAND detached, its output in the log of that name.
start() {
    local name=$1
    shift
    ! running_pid "$name" >/dev/null || return 0
    mkdir -p "$RUN" "$LOGS"
    printf -- '--- started %(%F %T)T\n' >>"$LOGS/$name.log"
    setsid "$@" >>"$LOGS/$name.log" 2>&1 </dev/null 9>&- &
    identity $! >"$RUN/$name.pid" || die_with_log "$name" "$name could not be started"
}

# stop NAME: asks the process to end, then insists.
stop() {
    local name=$1 pid
    if pid=$(running_pid "$name"); then
        kill -TERM "$pid" 2>/dev/null || true
        wait_until 10 is_stopped "$name" || kill -KILL "$pid" 2>/dev/null || true
        wait_until 5 is_stopped "$name" || die "$name (pid $pid) does not end"
    fi
    rm -f "$RUN/$name.pid"
}

# running_pid NAME: prints the pid; fails if the recorded process is gone.
running_pid() {
    local recorded pid
    recorded=$(cat "$RUN/$1.pid" 2>/dev/null) || return 1
    pid=${recorded%% *}
    [[ -n $pid && $(identity "$pid") == "$recorded" ]] && echo "$pid"
}

is_stopped() {
    ! running_pid "$1" >/dev/null
}

# identity PID: prints "PID START BOOT"; fails for a process that is gone or a zombie.
identity() {
    local stat fields
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # The name in parentheses may hold blanks; what follows it starts with field 3.
    read -ra fields <<<"${stat##*) }"
    [[ ${fields[0]} != Z ]] || return 1
    echo "$1 ${fields[19]} $(cat /proc/sys/kernel/random/boot_id)"
}

# wait_until SECONDS COMMAND...: repeats COMMAND until it succeeds; fails when time is up.
wait_until() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || return 1
        sleep 0.1
    done
}

# wait_ready NAME SECONDS COMMAND...: like wait_until, and ends at once if the process does.
wait_ready() {
    local name=$1 seconds=$2
    shift 2
    wait_until "$seconds" stopped_or "$name" "$@" || die_with_log "$name" "$name is not ready after $seconds s"
    ! is_stopped "$name" || die_with_log "$name" "$name ended"
}

stopped_or() {
    local name=$1
    shift
    is_stopped "$name" || "$@"
}

die_with_log() {
    echo "cluster: last lines of $LOGS/$1.log:" >&2
    tail -n 15 "$LOGS/$1.log" >&2 || true
    die "$2"
}
