# Sourced by ./run: the simulated AWS, the repository, the Application, and what is asked of them.
# shellcheck disable=SC2034,SC2154  # ./run and the parts use what is set here, and ./run sets $tmp and $remote
. "$(dirname "${BASH_SOURCE[0]}")/../packaging/lib.sh"
ARGOCD=${ARGOCD:-argocd}
home=directconnect-operator
branch=directconnect-operator-argocd-test
# What deploy/argocd/argocd-cm.yaml has, as fields of argocd-cm.
ours=(resource.customizations.{health,actions}.directconnect-operator.dev_DirectConnectConnection resource.links)
# Two Pods start one after the other, on whatever machine this is.
WITHIN=300

# in_background COMMAND...: until the end of the test
in_background() { "$@" & echo $! >>"$tmp/background"; }

# --- AWS, by way of the API server, so that it is reached wherever the cluster is

# aws METHOD PATH [JSON]: the simulator's control API
aws() {
  curl --silent --show-error --fail-with-body --unix-socket "$tmp/api" --request "$1" ${3:+--data "$3"} \
    "http://localhost/api/v1/namespaces/directconnect-simulator/services/simulator:4566/proxy/_sim/$2"
}
# What AWS or another person does: in_aws ID JSON
in_aws() { aws PATCH "connections/eu-central-1/$1" "$2"; }
# A text that AWS has: aws_has ID FIELD VALUE
aws_has() { same "$3" "$(aws GET "connections/eu-central-1/$1" | sed -n 's/^ *"'"$2"'": "\(.*\)",*$/\1/p')"; }
# How often AWS was asked to change anything.
updates() { aws GET calls | awk '/"operation": "UpdateConnection"/ { n++ } END { print n + 0 }'; }

# --- git

# Puts what is in the folder to where Argo CD reads: commit MESSAGE
commit() {
  git -C "$tmp/git" add --all
  git -C "$tmp/git" -c user.name=test -c user.email=test@localhost commit --quiet --message "$1"
  git -C "$tmp/git" push --quiet --force "$remote" "HEAD:refs/heads/$branch"
}

# --- Argo CD

app() { kubectl get application "$home" --namespace argocd -o jsonpath="$1"; }
# The next resync would find a commit too, but that may be minutes.
look_now() { kubectl annotate application "$home" --namespace argocd --overwrite "argocd.argoproj.io/refresh=${1:-normal}"; }
has_looked() { none app '{.metadata.annotations.argocd\.argoproj\.io/refresh}'; }
# The newest commit is what the cluster has, and the operation that brought it has come to a good end.
synced() {
  local revision
  revision=$(git -C "$tmp/git" rev-parse HEAD)
  same "Synced $revision Succeeded $revision" \
    "$(app '{.status.sync.status} {.status.sync.revision} {.status.operationState.phase} {.status.operationState.syncResult.revision}')" ||
    { app '{.status.operationState.message}'; return 1; }
}
is() { same "$1" "$(app '{.status.sync.status} {.status.health.status}')"; }
healths() { app "{range .status.resources[?(@.kind=='DirectConnectConnection')]}{.name} {.health.status} {.health.message}{'\n'}{end}"; }

# --- connections

connections() { kubectl get "$crd" --namespace "$home" -o jsonpath="{range .items[*]}{.metadata.name} $1{'\n'}{end}"; }
# Argo CD shows this health, and the very words of the condition: shows NAME HEALTH REASON
shows() {
  local words
  words=$(connections "{range .status.conditions[?(@.type=='Ready')]}{.reason}: {.message}{end}" | sed -n "s/^$1 //p")
  [[ $words == "$3: "?* ]] || { echo "$1 is not $3 but $words"; return 1; }
  same "$2 $words" "$(healths | sed -n "s/^$1 //p")"
}
all_healthy() { same "$(printf '%s Healthy\n' guarded immediate observe paused rename)" "$(healths | cut -d' ' -f1,2 | sort)"; }

# --- actions

# What Argo CD's program says of a connection, as the cluster has it: offers NAME ACTION...
offers() {
  kubectl get "$crd" "$1" --namespace "$home" -o yaml >"$tmp/live.yaml"
  same "${*:2}" "$("$ARGOCD" admin settings resource-overrides list-actions "$tmp/live.yaml" --argocd-cm-path deploy/argocd/argocd-cm.yaml 2>/dev/null |
    sed -n 's/ *false$//p' | paste -sd' ')"
}
# Runs an action by Argo CD's program, and writes what comes of it as the manager that Argo CD's server is: act NAME ACTION
act() {
  kubectl get "$crd" "$1" --namespace "$home" -o yaml >"$tmp/live.yaml"
  # The program shows a difference by a program of choice: this one takes the second of the two files as it is.
  printf '#!/bin/sh\ncp "$2" "%s"\n' "$tmp/acted.yaml" >"$tmp/take"
  chmod +x "$tmp/take"
  rm -f "$tmp/acted.yaml"
  KUBECTL_EXTERNAL_DIFF=$tmp/take "$ARGOCD" admin settings resource-overrides run-action "$tmp/live.yaml" "$2" \
    --argocd-cm-path deploy/argocd/argocd-cm.yaml
  kubectl replace --field-manager argocd-server --filename "$tmp/acted.yaml"
}
