# What .ci/run and .ci/long share: how a step is announced and timed, and how a program is installed.

export CARGO_TERM_COLOR=never RUST_BACKTRACE=0
# Everything is built once and nobody debugs it.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

steps=()
step() {
    steps+=("$SECONDS $*")
    printf '\n== %s (after %d s)\n' "$*" "$SECONDS"
}

# What each step took.
told() {
    steps+=("$SECONDS done")
    printf '\n== done after %d s\n' "$SECONDS"
    for ((number = 0; number < ${#steps[@]} - 1; number++)); do
        read -r start name <<<"${steps[number]}"
        read -r end _ <<<"${steps[number + 1]}"
        printf '%6d s  %s\n' $((end - start)) "$name"
    done
}

# A program, and the package of Debian that has it where it is missing.
install_of() {
    command -v "$2" >/dev/null && return
    if command -v sudo >/dev/null && [ "$(id -u)" != 0 ]; then sudo=sudo; else sudo=; fi
    $sudo apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

# The names of a package's targets of a kind.
targets_of() {
    cargo metadata --no-deps --format-version 1 --locked | python3 -c '
import json, sys
for package in json.load(sys.stdin)["packages"]:
    if package["name"] == sys.argv[1]:
        print(*[target["name"] for target in package["targets"] if target["kind"] == [sys.argv[2]]], sep="\n")' "$@"
}

# The names of the packages that begin so.
packages_like() {
    cargo metadata --no-deps --format-version 1 --locked | python3 -c '
import json, sys
print(*[p["name"] for p in json.load(sys.stdin)["packages"] if p["name"].startswith(sys.argv[1])], sep="\n")' "$1"
}
