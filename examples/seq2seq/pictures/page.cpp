#include "examples/seq2seq/pictures/page.h"

#include <fmt/format.h>

#include "nn/data/utf8.h"

namespace seq2seq {

std::string escaped(std::string_view text) {
  std::string result;
  for (const std::string& character :
       attune::data::characters(attune::data::replace_invalid_utf8(text))) {
    const char c = character.front();
    if (c == '&') {
      result += "&amp;";
    } else if (c == '<') {
      result += "&lt;";
    } else if (c == '>') {
      result += "&gt;";
    } else if (c == '"') {
      result += "&quot;";
    } else {
      const bool control = static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t';
      result += control ? "\uFFFD" : character;
    }
  }
  return result;
}

std::string_view palette() {
  return R"(:root{color-scheme:light dark;--paper:#fff;--card:#f7f8fa;--text:#1c2128;--faint:#5b6472;
--rule:#dde1e7;--cell:#eef1f5;--ink:#1f5fd0;--right:#137a3f;--wrong:#b4232c;
--s0:#1f5fd0;--s1:#d1600a;--s2:#137a3f;--s3:#8a3fc0;--s4:#b4232c;--s5:#0b7d8c;--s6:#8c6d00;--s7:#c2378b}
@media(prefers-color-scheme:dark){:root{--paper:#14171c;--card:#1b2027;--text:#e6e9ee;--faint:#9aa4b2;
--rule:#313843;--cell:#222831;--ink:#7db0ff;--right:#5fd08d;--wrong:#ff8a8f;
--s0:#7db0ff;--s1:#ffa95c;--s2:#5fd08d;--s3:#c99bff;--s4:#ff8a8f;--s5:#54cfe0;--s6:#e0c04a;--s7:#ff94cc}}
svg text{fill:var(--text);font:13px ui-monospace,"DejaVu Sans Mono",Menlo,Consolas,monospace}
svg .sheet{fill:var(--paper)}svg .cell{fill:var(--cell)}svg .look{fill:var(--ink)}
)";
}

namespace {

constexpr std::string_view layout =
    R"(*{box-sizing:border-box}
body{margin:0 auto;padding:1.5rem 1rem 4rem;max-width:70rem;background:var(--paper);color:var(--text);
font:16px/1.5 system-ui,"DejaVu Sans",sans-serif}
h1{font-size:1.5rem;margin:0 0 .25rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:2.5rem 0 .75rem}
p{margin:.25rem 0}.faint{color:var(--faint)}
.facts,.charts{display:grid;gap:1rem;margin:1.25rem 0;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr))}
.facts{grid-template-columns:repeat(auto-fit,minmax(9rem,1fr))}
.facts div,figure{margin:0;padding:.75rem .9rem;background:var(--card);border:1px solid var(--rule);border-radius:.5rem}
.facts b{display:block;font-size:1.35rem;font-weight:600}
figure{min-width:0}figcaption{font-weight:600;margin-bottom:.35rem;overflow-wrap:anywhere}
figure.chart svg{display:block;width:100%;height:auto}
.scroll{overflow-x:auto}
svg .rule{stroke:var(--rule)}svg .tick{fill:var(--faint);font-size:12px}
svg .line{fill:none;stroke-width:2;stroke-linejoin:round}
.legend{display:flex;flex-wrap:wrap;gap:.1rem 1rem;font-size:.85rem;margin-top:.35rem}
.legend i{display:inline-block;width:.8rem;height:.2rem;margin-right:.4rem;vertical-align:middle}
table{border-collapse:collapse;width:100%;font-size:.95rem}
td,th{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid var(--rule);vertical-align:top;overflow-wrap:anywhere}
th{font-weight:600}td.number{text-align:right;white-space:nowrap;width:1%;font-variant-numeric:tabular-nums}
td.mark{width:1%;white-space:nowrap}
.sample{margin:1.25rem 0}.settings{columns:18rem;column-gap:2rem}.right{color:var(--right)}.wrong{color:var(--wrong)}
@media(max-width:32rem){svg .tick{font-size:15px}}
code{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:.9em}
)";

}  // namespace

std::string page(std::string_view title, std::string_view body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "<title>{}</title>\n<style>\n{}{}</style>\n</head>\n<body>\n{}</body>\n</html>\n",
      escaped(title), palette(), layout, body);
}

}  // namespace seq2seq
