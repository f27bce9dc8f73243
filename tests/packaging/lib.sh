# Sourced by the checks.
set -euo pipefail

# A check fails if any command in it fails. `set -e` does not see a failure in an argument ("$(...)"), in the list of a loop or in
# <(...), but a trap on ERR does, and writes it down. A command that may fail says so: `|| true`, or a condition.
set -o errtrace
shopt -s inherit_errexit
# The file has no name, so it goes with the process that has it open.
watch_failures() {
  local file
  file=$(mktemp)
  exec {failures}<>"$file"
  rm "$file"
}
watch_failures
failed() { echo "${BASH_SOURCE[1]##*/}:$1: $2" >>"/dev/fd/$failures"; }
trap 'failed "$LINENO" "$BASH_COMMAND"' ERR
# Fails if a command has failed since watch_failures, and says which one was the first.
nothing_failed() {
  local first
  first=$(head -n 1 "/dev/fd/$failures")
  [ -n "$first" ] || return 0
  : >"/dev/fd/$failures"
  echo "a command failed unnoticed: $first"
  return 1
}
# attempt COMMAND...: runs it, and sets `status`, and `printed` to its output. It fails too if a command in it fails unnoticed, but
# no failure in it counts for the caller. It does not run COMMAND as a condition, since a function there goes on after a failure.
attempt() {
  set +e
  trap - ERR
  printed=$( (trap 'failed "$LINENO" "$BASH_COMMAND"' ERR; set -e; watched "$@") 2>&1 )
  status=$?
  trap 'failed "$LINENO" "$BASH_COMMAND"' ERR
  set -e
}
watched() {
  local status
  watch_failures
  "$@"
  status=$?
  [ "$status" -eq 0 ] || return "$status"
  nothing_failed
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
. "$root/tests/again"
bin=$(tests/control-plane/build)
PATH=$bin:$PATH
HELM=${HELM:-helm}
chart=charts/directconnect-operator
crd=directconnectconnections.directconnect-operator.dev

# A Go program that the checks need, built once: tool FOLDER PACKAGE [TAGS] prints its path.
tool() {
  local made_from folder
  command -v go >/dev/null || { echo "go is not on the PATH; install Go 1.26 or later" >&2; return 1; }
  made_from=$( (echo "$@"; find "$1" -maxdepth 1 \( -name 'go.*' -o -name '*.go' \) -print0 | sort -z | xargs -0 cat) | sha256sum | cut -c1-16)
  folder=${XDG_CACHE_HOME:-$HOME/.cache}/directconnect-operator/$(basename "$1")-$made_from
  if [ ! -x "$folder/it" ]; then
    echo "building $2 of $1: minutes, once" >&2
    mkdir -p "$folder"
    # Under a name of its own, since others may build it at the same time.
    (cd "$1" && again go build -trimpath -ldflags '-s -w' ${3:+-tags "$3"} -o "$folder/it.$$" "$2") >&2
    mv "$folder/it.$$" "$folder/it"
  fi
  echo "$folder/it"
}

# jq for the scripts of release/, which run where GitHub has it. Where it is missing, the same language in Go.
with_jq() {
  local tools=${XDG_CACHE_HOME:-$HOME/.cache}/directconnect-operator/gojq-v0.12.18
  command -v jq >/dev/null && return
  [ -x "$tools/jq" ] || { GOBIN=$tools again go install github.com/itchyny/gojq/cmd/gojq@v0.12.18 && ln -s gojq "$tools/jq"; }
  PATH=$tools:$PATH
}

# check NAME COMMAND...: a line that says whether it went well, and what it printed if not
check() {
  local name=$1 printed
  # In a condition `set -e` has no effect, so this prints something only there.
  # shellcheck disable=SC2155  # elsewhere it fails, which is what is expected
  local ignored=$(trap - ERR; set -e; false; echo 'the check is called in a condition, where failures are ignored')
  shift
  status=0
  # In its arguments, or since the check before.
  printed=$ignored$(nothing_failed) || status=$?
  [ -z "$ignored" ] || status=1
  [ "$status" -ne 0 ] || attempt "$@"
  if [ "$status" -eq 0 ]; then
    echo "ok    $name"
  else
    echo "FAIL  $name"
    printf '%s\n' "$printed" | tail -n 40 | sed 's/^/      /'
  fi
}

# A check without which the ones that follow say nothing.
vital() {
  check "$@"
  [ "$status" -eq 0 ] || exit 1
}

# What must fail, and say why: refuses WORDS COMMAND...
refuses() {
  local words=$1 printed status
  shift
  attempt "$@"
  [ "$status" -ne 0 ] || { echo "was accepted: $*"; return 1; }
  grep -qF -- "$words" <<<"$printed" || { printf 'was refused, but without the words %s:\n%s\n' "$words" "$printed"; return 1; }
}

# Waits for a command to succeed: eventually COMMAND...
eventually() {
  local deadline=$((SECONDS + ${WITHIN:-60})) printed status
  while :; do
    attempt "$@"
    [ "$status" -ne 0 ] || return 0
    [ "$SECONDS" -lt "$deadline" ] || { printf 'not within %s s: %s\n%s\n' "${WITHIN:-60}" "$*" "$printed"; return 1; }
    sleep 0.2
  done
}

# Two texts are the same: same TEXT TEXT. Two empty ones do not count: a pattern that matches nothing any more would go unnoticed.
same() {
  [ -n "$1$2" ] || { echo 'both texts are empty; where a command is to print nothing, check it by: none COMMAND'; return 1; }
  [ "$1" = "$2" ] || { diff <(printf '%s\n' "$1") <(printf '%s\n' "$2"); return 1; }
}

# Succeeds, and prints nothing: none COMMAND...
none() {
  local found status
  found=$("$@")
  status=$?
  [ "$status" -eq 0 ] || return "$status"
  [ -z "$found" ] || { printf 'found: %s\n' "$found"; return 1; }
}

# The chart as it would be installed: rendered [OPTION]...
rendered() {
  "$HELM" template directconnect-operator "$chart" --namespace directconnect-operator --kube-version 1.36.3 "$@"
}

# Whether there is a controller manager, which a bare API server lacks: it makes this account.
has_controllers() { kubectl get serviceaccount default --namespace default >/dev/null 2>&1; }

namespace() { kubectl get namespace "$1" >/dev/null 2>&1 || kubectl create namespace "$1"; }

# Whether a service account may: may yes|no NAMESPACE:ACCOUNT NAMESPACE VERB RESOURCE [--subresource NAME]
may() {
  local answer
  answer=$(can_i --as "system:serviceaccount:$2" --namespace "$3" "${@:4}")
  [ "$answer" = "$1" ] || { echo "$2 may ${*:4} in $3: $answer"; return 1; }
}
# Prints yes or no. kubectl ends in the same way after a no and after an error, so its answer is read: can_i [OPTION]... VERB RESOURCE
can_i() {
  local answer
  answer=$(kubectl auth can-i "$@" || true)
  case $answer in
    yes | no) echo "$answer" ;;
    'no - '*) echo no ;;
    *) echo "kubectl auth can-i $* did not say yes or no but: $answer" >&2; return 1 ;;
  esac
}

# All that the operator may do with what it serves: serves yes|no NAMESPACE:ACCOUNT NAMESPACE
serves() {
  may "$1" "$2" "$3" list "$crd"
  may "$1" "$2" "$3" watch "$crd"
  may "$1" "$2" "$3" patch "$crd" --subresource status
  may "$1" "$2" "$3" create events.events.k8s.io
  may "$1" "$2" "$3" patch events.events.k8s.io
}

# And what it may not do anywhere: spares NAMESPACE:ACCOUNT NAMESPACE
spares() {
  local verb kind
  for verb in get create update patch delete; do may no "$1" "$2" "$verb" "$crd"; done
  may no "$1" "$2" update "$crd" --subresource status
  for kind in secrets configmaps pods namespaces; do may no "$1" "$2" get "$kind"; done
  may no "$1" "$2" update leases.coordination.k8s.io/another
  may no "$1" "$2" delete leases.coordination.k8s.io/another
}

# The API server's own opinion, with nothing written.
dry_run() { kubectl apply --server-side --dry-run=server --validate=strict --force-conflicts --filename -; }

# A Deployment's template as a Pod: pod_of NAMESPACE DEPLOYMENT
pod_of() {
  local spec
  spec=$(kubectl get deployment "$2" --namespace "$1" -o jsonpath='{.spec.template.spec}')
  printf '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"it","namespace":"%s"},"spec":%s}' "$1" "$spec"
}

crd_gone() { none kubectl get crd "$crd" --ignore-not-found -o name; }
# Asks again when the API server is late or refuses: a CRD that stays would fail what comes next, for no fault of its own.
delete_crd() { WITHIN=180 eventually kubectl delete --ignore-not-found --timeout 30s crd "$crd" "$@"; }
# At the end of a check. Nothing is said when all is gone.
leave_no_crd() {
  local said
  if ! said=$(delete_crd "$@" 2>&1); then
    printf 'FAIL  the CRDs are deleted\n%s\n' "$said"
    kubectl get crd -o jsonpath='{range .items[*]}{.metadata.name} {.status.conditions}{"\n"}{end}' || true
  fi
}
crd_served() { kubectl wait --for=condition=Established --timeout 10s crd "$crd"; }
