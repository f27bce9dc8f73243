{{- define "operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Room is left for the suffixes, -metrics the longest. */}}
{{- define "operator.fullname" -}}
{{- $name := include "operator.name" . }}
{{- if .Values.fullnameOverride }}
{{- $name = .Values.fullnameOverride }}
{{- else if not (contains $name .Release.Name) }}
{{- $name = printf "%s-%s" .Release.Name $name }}
{{- else }}
{{- $name = .Release.Name }}
{{- end }}
{{- $name | trunc 53 | trimSuffix "-" }}
{{- end }}

{{- define "operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "operator.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "operator.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Labels and annotations of an object, its own and those of everything: (list . LABELS ANNOTATIONS). The chart's labels win,
so that no value can part a Deployment from its Pods. */}}
{{- define "operator.metadata" -}}
{{- $root := index . 0 }}
{{- $labels := include "operator.selectorLabels" $root | fromYaml }}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- $_ := set $labels "app.kubernetes.io/version" $root.Chart.AppVersion }}
{{- $_ := set $labels "app.kubernetes.io/managed-by" $root.Release.Service }}
{{- $metadata := dict "labels" (merge $labels (index . 1 | default dict) ($root.Values.commonLabels | default dict)) }}
{{- with merge dict (index . 2 | default dict) ($root.Values.commonAnnotations | default dict) }}
{{- $_ := set $metadata "annotations" . }}
{{- end }}
{{- toYaml $metadata }}
{{- end }}

{{/* As for Docker, what is before the first slash is a registry if it has a dot or a port, or is localhost. */}}
{{- define "operator.image" -}}
{{- $repository := .Values.image.repository }}
{{- with (.Values.global).imageRegistry }}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "") }}
{{- end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* Other charts write a global secret as its name alone, so both ways are understood. */}}
{{- define "operator.imagePullSecrets" -}}
{{- $secrets := list }}
{{- range concat ((.Values.global).imagePullSecrets | default list) (.Values.imagePullSecrets | default list) }}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) }}
{{- end }}
{{- toYaml (uniq $secrets) }}
{{- end }}

{{/* OpenShift gives each namespace its own range of users, and refuses Pods that ask for another. */}}
{{- define "operator.podSecurityContext" -}}
{{- $context := .Values.podSecurityContext | default dict }}
{{- if or (eq (toString .Values.openshift) "true") (and (eq (toString .Values.openshift) "auto") (.Capabilities.APIVersions.Has "security.openshift.io/v1")) }}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" }}
{{- end }}
{{- toYaml $context }}
{{- end }}

{{/* What the operator itself may do to what it serves: in the cluster, or in each of the namespaces it watches. */}}
{{- define "operator.rules" -}}
- apiGroups: [directconnect-operator.dev]
  resources: [directconnectconnections]
  verbs: [list, watch]
- apiGroups: [directconnect-operator.dev]
  resources: [directconnectconnections/status]
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* CEL: whether the request comes from whom, or goes where, the lists say. */}}
{{- define "operator.allowed" -}}
request.namespace in {{ .namespaces | default list | toJson }} || request.userInfo.username in {{ .users | default list | toJson }} || request.userInfo.groups.exists(group, group in {{ .groups | default list | toJson }})
{{- end }}
