#include "examples/seq2seq/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "examples/seq2seq/pictures/alignment.h"
#include "examples/seq2seq/pictures/chart.h"
#include "examples/seq2seq/pictures/page.h"
#include "examples/seq2seq/progress.h"

namespace seq2seq {
namespace {

using attune::nn::Evaluation;
using Records = std::vector<Record>;

Curve curve(const std::string& name, const Records& records,
            const std::function<double(const Record&)>& value) {
  Curve result{name, {}};
  for (const Record& record : records) {
    result.points.emplace_back(static_cast<double>(record.step), value(record));
  }
  return result;
}

// Over the validations only.
Curve valid_curve(const std::string& name, const Records& records,
                  const std::function<double(const Evaluation&)>& value) {
  Curve result{name, {}};
  for (const Record& record : records) {
    if (record.valid) {
      result.points.emplace_back(static_cast<double>(record.step), value(*record.valid));
    }
  }
  return result;
}

Chart losses(const Records& records) {
  return {"Loss, nats per target token",
          {curve("training", records, [](const Record& r) { return r.loss; }),
           valid_curve("validation", records,
                       [](const Evaluation& e) { return std::log(e.perplexity); })}};
}

Chart scores(const Records& records, Measure measure) {
  if (measure == Measure::error_rates) {
    return {"Errors on the validation words, %",
            {valid_curve("words (WER)", records,
                         [](const Evaluation& e) { return 100 * (1 - e.exact_match); }),
             valid_curve("phonemes (PER)", records,
                         [](const Evaluation& e) { return 100 * e.token_error_rate; })}};
  }
  Chart chart{"Right on the validation pairs, %",
              {valid_curve("whole answers", records,
                           [](const Evaluation& e) { return 100 * e.exact_match; }),
               valid_curve("tokens in their place", records,
                           [](const Evaluation& e) { return 100 * e.token_accuracy; })}};
  if (measure == Measure::bleu) {
    chart.curves.push_back(
        valid_curve("BLEU", records, [](const Evaluation& e) { return e.bleu; }));
  }
  return chart;
}

Chart gradient_norms(const Records& records) {
  Chart chart{"Gradient norms by layer", {}, true};
  for (const Record& record : records) {
    for (const auto& [layer, norm] : record.layers) {
      auto known = std::find_if(chart.curves.begin(), chart.curves.end(),
                                [&layer = layer](const Curve& c) { return c.name == layer; });
      if (known == chart.curves.end()) {
        chart.curves.push_back({layer, {}});
        known = chart.curves.end() - 1;
      }
      known->points.emplace_back(static_cast<double>(record.step), norm);
    }
  }
  return chart;
}

std::string charts(const Report& report) {
  const Records& records = report.records;
  std::string html = "<div class=\"charts\">\n";
  html += figure_of(losses(records));
  html += figure_of(scores(records, report.measure));
  html += figure_of(gradient_norms(records));
  html += figure_of({"Gradient norm of all, before clipping",
                     {curve("norm", records, [](const Record& r) { return r.gradient_norm; })},
                     true});
  html += figure_of(
      {"Learning rate", {curve("rate", records, [](const Record& r) { return r.learning_rate; })}});
  html += figure_of(
      {"Speed, tokens per second",
       {curve("source and target", records, [](const Record& r) { return r.tokens_per_second; })}});
  return html + "</div>\n";
}

std::string fact(const std::string& name, const std::string& value) {
  return fmt::format("<div><b>{}</b><span class=\"faint\">{}</span></div>", escaped(value), name);
}

std::string facts(const Report& report) {
  const Record& last = report.records.back();
  std::string html = "<div class=\"facts\">";
  html += fact("steps", grouped(last.step)) + fact("of training", clock_time(last.seconds));
  html += fact("loss", fmt::format("{:.4f}", last.loss));
  const auto best = std::find_if(report.records.rbegin(), report.records.rend(),
                                 [](const Record& record) { return record.best; });
  if (best != report.records.rend()) {
    const Evaluation& valid = *best->valid;
    const std::string where = fmt::format(" at step {}, the best", grouped(best->step));
    if (report.measure == Measure::error_rates) {
      html += fact("WER" + where, fmt::format("{:.2f} %", 100 * (1 - valid.exact_match)));
    } else if (report.measure == Measure::bleu) {
      html += fact("BLEU" + where, fmt::format("{:.1f}", valid.bleu));
    } else {
      html += fact("right" + where, fmt::format("{:.1f} %", 100 * valid.exact_match));
    }
  }
  return html + "</div>\n";
}

// The answers to the sample of that number, each where it changed.
std::string history(const Records& records, std::size_t number) {
  std::string html, before;
  bool first = true;
  for (const Record& record : records) {
    if (number >= record.samples.size()) continue;
    const Sample& sample = record.samples[number];
    if (!first && sample.answer == before) continue;
    html += fmt::format(
        "<tr><td class=\"number faint\">{}</td><td class=\"mark {}\">{}</td><td>{}</td></tr>\n",
        grouped(record.step), sample.right ? "right" : "wrong",
        sample.right ? "✓ right" : "✗ wrong", escaped(sample.answer));
    before = sample.answer;
    first = false;
  }
  return html;
}

std::string samples(const Records& records) {
  const auto latest = std::find_if(records.rbegin(), records.rend(),
                                   [](const Record& record) { return !record.samples.empty(); });
  if (latest == records.rend()) return "";
  std::string html =
      "<h2>Sample translations</h2>\n<p class=\"faint\">Pairs that are not trained on; an answer "
      "stands beside the step it was first given at.</p>\n";
  for (std::size_t i = 0; i < latest->samples.size(); ++i) {
    const Sample& sample = latest->samples[i];
    html += fmt::format(
        "<div class=\"sample\"><p><b>{}</b> <span class=\"faint\">→ {}</span></p>\n"
        "<table>{}</table></div>\n",
        escaped(sample.source), escaped(sample.target), history(records, i));
  }
  return html;
}

std::string alignments(const Report& report) {
  std::string html;
  for (const auto& [source, translation] : report.alignments) {
    if (translation.weights.empty()) continue;
    html += fmt::format(
        "<figure><figcaption>{} → {}</figcaption><div class=\"scroll\">{}</div></figure>\n",
        escaped(source), escaped(translation.text), alignment_element(translation));
  }
  if (html.empty()) return "";
  return "<h2>Attention</h2>\n<p class=\"faint\">Source tokens along the top, the answer down the "
         "side; the stronger a cell, the more that token of the answer looked there.</p>\n"
         "<div class=\"charts\">\n" +
         html + "</div>\n";
}

std::string settings(const Report& report) {
  std::string rows;
  for (const auto& [name, value] : report.settings) {
    if (value.empty()) continue;
    rows += fmt::format("<tr><td>{}</td><td><code>{}</code></td></tr>\n", escaped(name),
                        escaped(value));
  }
  return fmt::format("<h2>Settings</h2>\n<div class=\"settings\"><table>{}</table></div>\n", rows);
}

}  // namespace

std::string html_of(const Report& report) {
  std::string body = fmt::format("<h1>{}</h1>\n", escaped(report.title));
  for (const std::string& remark : report.remarks) {
    body += fmt::format("<p class=\"faint\">{}</p>\n", escaped(remark));
  }
  if (!report.records.empty()) body += facts(report) + charts(report) + samples(report.records);
  body += alignments(report) + settings(report);
  return page(report.title, body);
}

}  // namespace seq2seq
