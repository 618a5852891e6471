// The page holds the graph as JSON, and nothing in a graph can break out of it.

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "autograd/explain.h"
#include "autograd/ops.h"
#include "autograd/scope.h"

using namespace attune;

namespace {

nlohmann::json graph_in(const std::string& page) {
  const std::string begin = "<script type=\"application/json\" id=\"data\">";
  const std::size_t from = page.find(begin) + begin.size();
  return nlohmann::json::parse(page.substr(from, page.find("</script>", from) - from));
}

Explanation hostile_graph() {
  const Tensor x = tensor({1, -1, 0}, DType::float64).requires_grad_();
  const Recording recording;
  const Scope scope("</script><b>\"\\\n");
  return explain(sum(log(x)), {.title = "<script>alert(1)</script> & {{graph}}",
                               .names = {{"</script><img src=x>", x}}});
}

}  // namespace

TEST_CASE("texts are escaped, wherever they come from") {
  const std::string page = hostile_graph().html();
  CHECK(page.find("<script>alert") == std::string::npos);
  CHECK(page.find("<img") == std::string::npos);
  CHECK(page.find("&lt;script>alert(1)&lt;/script> &amp; {{graph}}") != std::string::npos);
  const auto count = [&](const std::string& part) {
    std::size_t n = 0;
    for (std::size_t at = page.find(part); at != std::string::npos; at = page.find(part, at + 1))
      ++n;
    return n;
  };
  CHECK(count("</script") == 2);
  const nlohmann::json graph = graph_in(page);
  CHECK(graph["title"] == "<script>alert(1)</script> & {{graph}}");
  CHECK(graph["nodes"][0]["label"] == "</script><img src=x>");
  CHECK(graph["texts"][graph["nodes"][1]["scope"][0].get<std::size_t>()] == "</script><b>\"\\\n");
}

TEST_CASE("NaN and infinities are there as texts") {
  const nlohmann::json graph = graph_in(hostile_graph().html());
  const nlohmann::json& logarithm = graph["nodes"][1]["outputs"][0];
  CHECK(logarithm["value"][1] == 1);  // NaN, of log(-1)
  CHECK(logarithm["value"][2] == 1);  // infinite, of log(0)
  const Tensor x = tensor({1e200}, DType::float64).requires_grad_();
  const nlohmann::json huge = graph_in(explain([&] { return sum(x); }).html());
  CHECK(huge["nodes"][0]["outputs"][0]["value"][8] == "Infinity");  // the norm
}

TEST_CASE("the page is whole: no part is missing, and nothing is fetched") {
  const Tensor x = tensor({1, 2}).requires_grad_();
  const std::string page = explain(sum(tanh(x))).html();
  CHECK(page.starts_with("<!doctype html>"));
  CHECK(page.ends_with("</html>\n"));
  for (const char* const part : {"--accent", "function layOut()", "function draw()",
                                 "function showDetails(", "function goToStep("}) {
    CAPTURE(part);
    CHECK(page.find(part) != std::string::npos);
  }
  for (const char* const part : {"src=", "href=", "@import", "url(", "fetch(", "https:"}) {
    CAPTURE(part);
    CHECK(page.find(part) == std::string::npos);
  }
}

TEST_CASE("the graph in the page is the graph") {
  const Tensor x = tensor({1, 2}, DType::float64).requires_grad_();
  const Explanation graph =
      explain([&] { return sum(x * exp(x)); }, {.names = {{"x", x}}, .check = true});
  const nlohmann::json json = graph_in(graph.html());
  CHECK(json["nodes"].size() == graph.nodes.size());
  CHECK(json["order"].size() == graph.nodes.size());
  CHECK(json["parameters"] == 2);
  const nlohmann::json& product = json["nodes"][2];
  CHECK(product["inputs"].size() == 2);
  CHECK(product["checks"].size() == 2);
  CHECK(product["outputs"][0]["gradientElements"] == graph.nodes[2].outputs[0].gradient_elements);
  CHECK(product["outputs"][0]["gradientElements"] == "[1. 1.]");
  CHECK(product["checks"][0]["agrees"] == true);
  CHECK(json["formulas"][product["formula"].get<std::size_t>()]["derivatives"].size() == 2);
}
