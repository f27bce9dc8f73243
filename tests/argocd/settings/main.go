// What Argo CD makes of the settings in an argocd-cm.yaml, by the libraries that Argo CD 3.5.7 uses and in the way that it uses
// them: which actions a resource has and what they do to it, and where its links lead.
//
//	settings actions CONFIGMAP FOLDER    runs FOLDER/action_test.yaml, which is in upstream's form, with the scripts of
//	                                     CONFIGMAP; a line for each test: `ok` or `FAIL`, tab, its name, tab, what is wrong
//	settings scripts CONFIGMAP FOLDER    fails unless CONFIGMAP has the very scripts of FOLDER
//	settings links CONFIGMAP FILE...     a line for each link of each resource: file, tab, title, tab, address
package main

import (
	"fmt"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

const kind = "directconnect-operator.dev_DirectConnectConnection"

func main() {
	arguments := os.Args[1:]
	if len(arguments) < 3 || (arguments[0] != "links" && len(arguments) != 3) {
		usage()
	}
	settings, err := read[struct {
		Data map[string]string `json:"data"`
	}](arguments[1])
	if err == nil {
		switch arguments[0] {
		case "actions":
			err = runTests(settings.Data["resource.customizations.actions."+kind], arguments[2])
		case "scripts":
			err = compareScripts(settings.Data["resource.customizations.actions."+kind], arguments[2])
		case "links":
			err = printLinks(settings.Data["resource.links"], arguments[2:])
		default:
			usage()
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: settings actions|scripts CONFIGMAP FOLDER | settings links CONFIGMAP FILE...")
	os.Exit(2)
}

func read[T any](file string) (T, error) {
	var into T
	text, err := os.ReadFile(file)
	if err != nil {
		return into, err
	}
	if err := yaml.Unmarshal(text, &into); err != nil {
		return into, fmt.Errorf("%s: %w", file, err)
	}
	return into, nil
}

// A block of YAML ends in one line break, a file may too.
func trimmed(script string) string {
	return strings.TrimRight(script, "\n")
}
