package main

import "strings"

// cmdline is what the installer needs of the kernel's command line.
type cmdline struct {
	text        string
	autoinstall bool     // the bare word
	seedFolder  string   // of ds=nocloud;s=FOLDER
	installed   []string // what follows ---: goes to the installed system's boot loader
}

func parseCmdline(text string) cmdline {
	c := cmdline{text: strings.TrimSpace(text), installed: []string{}}
	after := false
	for _, word := range strings.Fields(text) {
		switch {
		case word == "---":
			after = true
		case after:
			c.installed = append(c.installed, word)
		case word == "autoinstall":
			c.autoinstall = true
		case strings.HasPrefix(word, "ds=nocloud"):
			for _, part := range strings.Split(word, ";") {
				if folder := strings.TrimPrefix(part, "s="); folder != part && strings.HasPrefix(folder, "/") {
					c.seedFolder = folder
				}
			}
		}
	}
	return c
}
