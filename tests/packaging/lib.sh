# Sourced by the checks.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
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
    (cd "$1" && go build -trimpath -ldflags '-s -w' ${3:+-tags "$3"} -o "$folder/it.$$" "$2") >&2
    mv "$folder/it.$$" "$folder/it"
  fi
  echo "$folder/it"
}

# jq for the scripts of release/, which run where GitHub has it. Where it is missing, the same language in Go.
with_jq() {
  local tools=${XDG_CACHE_HOME:-$HOME/.cache}/directconnect-operator/gojq-v0.12.18
  command -v jq >/dev/null && return
  [ -x "$tools/jq" ] || { GOBIN=$tools go install github.com/itchyny/gojq/cmd/gojq@v0.12.18 && ln -s gojq "$tools/jq"; }
  PATH=$tools:$PATH
}

# check NAME COMMAND...: a line that says whether it went well, and what it said if not
check() {
  local name=$1 said
  shift
  set +e
  said=$( (set -euo pipefail; "$@") 2>&1 )
  status=$?
  set -e
  if [ "$status" -eq 0 ]; then
    echo "ok    $name"
  else
    echo "FAIL  $name"
    printf '%s\n' "$said" | tail -n 40 | sed 's/^/      /'
  fi
}

# A check without which the ones that follow say nothing.
vital() {
  check "$@"
  [ "$status" -eq 0 ] || exit 1
}

# What must fail, and say why: refuses WORDS COMMAND...
refuses() {
  local words=$1 said
  shift
  if said=$("$@" 2>&1); then
    echo "was accepted: $*"
    return 1
  fi
  grep -qF -- "$words" <<<"$said" || { printf 'was refused, but without the words %s:\n%s\n' "$words" "$said"; return 1; }
}

# Waits for a command to succeed: eventually COMMAND...
eventually() {
  local deadline=$((SECONDS + ${WITHIN:-60})) said status
  while :; do
    # Not as a condition: what is called in one goes on after a failure.
    set +e
    said=$( (set -e; "$@") 2>&1 )
    status=$?
    set -e
    [ "$status" -ne 0 ] || return 0
    [ "$SECONDS" -lt "$deadline" ] || { printf 'not within %s s: %s\n%s\n' "${WITHIN:-60}" "$*" "$said"; return 1; }
    sleep 0.2
  done
}

# same EXPECTED FOUND, in any order. Both empty is no agreement: a command that fails in "$(...)" prints nothing, and goes unnoticed.
same() {
  [ -n "$1$2" ] || { echo 'nothing was printed where something should have been; `none` is for what prints nothing'; return 1; }
  [ "$1" = "$2" ] || { diff <(printf '%s\n' "$1") <(printf '%s\n' "$2"); return 1; }
}

# Succeeds, and prints nothing: none COMMAND...
none() {
  local found
  found=$("$@") || return
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
  local answer=yes
  kubectl auth can-i --quiet --as "system:serviceaccount:$2" --namespace "$3" "${@:4}" >/dev/null 2>&1 || answer=no
  [ "$answer" = "$1" ] || { echo "$2 may ${*:4} in $3: $answer"; return 1; }
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
