# shellcheck shell=bash
# Sourced by the scripts of this folder.
set -euo pipefail
# Also within "$(...)", where the shell knows how to: that of macOS does not.
shopt -s inherit_errexit 2>/dev/null || true
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
name=${0##*/}
# shellcheck disable=SC2034  # used by those that source this
chart=$root/charts/directconnect-operator

fail() { echo "release/$name: $*" >&2; exit 1; }

# The first lines of the script say how it is called: arguments MIN MAX "$@"
arguments() {
  local min=$1 max=$2
  shift 2
  [ $# -ge "$min" ] && [ $# -le "$max" ] && return
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

# What a section of Cargo.toml says: manifest_value SECTION KEY
manifest_value() { sed -n '/^\['"$1"'\]/,/^\[/s/^'"$2"' = "\(.*\)"/\1/p' "${MANIFEST:-$root/Cargo.toml}"; }

# The version of the workspace, which every crate has.
workspace_version() {
  local found
  found=$(manifest_value workspace.package version)
  [ -n "$found" ] || fail 'Cargo.toml has no version'
  echo "$found"
}

# A full reference by digest, such as ghcr.io/example/directconnect-operator@sha256:...
by_digest() {
  [[ $1 =~ ^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$ ]] || fail "not an image in lower case with a sha256 digest: $1"
}

sha256() {
  if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi
}

# Helm of the version that the tests use, which their go.mod pins. HELM names another.
helm() {
  local folder
  if [ -z "${HELM:-}" ]; then
    folder=$root/target/release-tools
    # One that was built before must not serve where this fails.
    (cd "$root/tests/control-plane" && go build -trimpath -o "$folder/" helm.sh/helm/v4/cmd/helm) >&2 || fail 'Helm cannot be built'
    HELM=$folder/helm
  fi
  command "$HELM" "$@"
}
