package main

import (
	"fmt"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"github.com/expr-lang/expr"
	"sigs.k8s.io/yaml"
)

type link struct {
	Title       string `json:"title"`
	URL         string `json:"url"`
	Description string `json:"description"`
	IconClass   string `json:"icon.class"`
	If          string `json:"if"`
}

func printLinks(text string, files []string) error {
	var links []link
	if err := yaml.UnmarshalStrict([]byte(text), &links); err != nil {
		return err
	}
	if len(links) == 0 {
		return fmt.Errorf("there are no links")
	}
	for _, file := range files {
		resource, err := read[map[string]any](file)
		if err != nil {
			return err
		}
		data := map[string]any{"resource": resource}
		for _, link := range links {
			shown, err := expr.Eval(link.If, data)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", file, link.Title, err)
			}
			if is, isBool := shown.(bool); !isBool {
				return fmt.Errorf("%s: %s: the condition gives %v", file, link.Title, shown)
			} else if !is {
				continue
			}
			parsed, err := template.New("link").Funcs(sprig.GenericFuncMap()).Parse(link.URL)
			if err != nil {
				return fmt.Errorf("%s: %w", link.Title, err)
			}
			var address strings.Builder
			if err := parsed.Execute(&address, data); err != nil {
				return fmt.Errorf("%s: %s: %w", file, link.Title, err)
			}
			fmt.Printf("%s\t%s\t%s\n", file, link.Title, address.String())
		}
	}
	return nil
}
