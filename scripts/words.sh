#!/usr/bin/env bash
# words.sh: refuses words in comments and documents that came from translation and make them hard to read. CONTRIBUTING.md has
# the rule. What a message says in quotes or backquotes is left alone, and so are the code and the strings in it.
set -euo pipefail
cd "$(dirname "$0")/.."

words='gives(?! up)|gave(?! up)|everybody|anybody|whoever|told|as ever|put aside|(be|is|was) had|known of|hands? on|handed on|hears? of|(is|are|was|were) to be|nobody|somebody|anew|tells|lies|stands(?! for)|goes on|in hand|at hand|made to leave|lets? go of|let go of|to be had|is of no use'
# Documents that others generate or that quote what was.
left_out='^(CHANGELOG\.md|LICENSE|docs/(contract|hard-cases)\.md|scripts/words\.sh|stubs/|polyfill/|packaging/)'

found=$(git ls-files '*.rs' '*.c' '*.h' '*.md' '*.sh' Makefile | grep -vE "$left_out" | xargs perl -ne '
	$fence = !$fence if $ARGV =~ /\.md$/ && /^\s*```/;
	my $text = $_;
	if ($ARGV =~ /\.rs$/) { $text = "" unless m{^\s*//}; }
	elsif ($ARGV =~ /\.[ch]$/) {
		my $starts = m{/\*};
		$text = "" unless $block || $starts;
		$text =~ s{^.*?(?=/\*)}{} if $starts && !$block;
		$block = 1 if $starts;
		$block = 0 if m{\*/(?!.*/\*)};
	}
	elsif ($ARGV =~ /\.md$/) { $text = "" if $fence; }
	else { $text = "" unless /^\s*#/; }
	$text =~ s/`[^`]*`|"[^"]*"|“[^”]*”//g;
	print "$ARGV:$.: $_" if $text =~ /\b('"$words"')\b/i;
	if (eof) { close ARGV; $block = $fence = 0; }
')
if [ -n "$found" ]; then
	printf '%s\n' "$found" >&2
	echo "say it with the field's word: returns, starts, restarts, no request, another program, continues, is" >&2
	exit 1
fi
