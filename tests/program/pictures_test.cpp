// What a training leaves to look at, and pictures of attention as files.

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "tests/program/models.h"
#include "tests/program/sandbox.h"

using namespace attune;

namespace {

const std::string tiny_run =
    "train -q --hidden 8 --embedding 8 --dates 200 --batch 16 --validate-every 20 --stop-at 0 "
    "--threads 1 ";

bool shows(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) {
    ++found;
  }
  return found;
}

std::vector<nlohmann::json> records(const Sandbox& sandbox, const std::string& file) {
  std::vector<nlohmann::json> result;
  std::istringstream lines(sandbox.read(file));
  for (std::string line; std::getline(lines, line);) result.push_back(nlohmann::json::parse(line));
  return result;
}

std::vector<int> steps(const std::vector<nlohmann::json>& records) {
  std::vector<int> result;
  for (const nlohmann::json& record : records) result.push_back(record.at("step"));
  return result;
}

bool exists(const Sandbox& sandbox, const std::string& name) {
  return std::filesystem::exists(sandbox.path(name));
}

}  // namespace

TEST_CASE("a training leaves its options, its records and a page") {
  const Sandbox sandbox;
  REQUIRE(sandbox.run(tiny_run + "--steps 43").status == 0);
  const auto config = nlohmann::json::parse(sandbox.read("dates.run/config.json"));
  CHECK(config.at("hidden") == 8);
  CHECK(config.at("lr") == 0.003);
  CHECK(config.at("pairs to test") == 2000);
  CHECK(config.at("task") == "dates");
  const auto found = records(sandbox, "dates.run/metrics.jsonl");
  REQUIRE(found.size() == 22);  // every other step, and the last
  CHECK(steps(found).front() == 2);
  CHECK(steps(found).back() == 43);
  const nlohmann::json& validated = found[9];
  CHECK(validated.at("step") == 20);
  CHECK(validated.at("valid").at("pairs") == 500);
  CHECK(validated.at("samples").size() == 4);
  CHECK_FALSE(found[8].contains("valid"));
  for (const nlohmann::json& record : found) {
    CHECK(record.at("loss") > 0);
    CHECK(record.at("tokens_per_second") > 0);
    CHECK(record.at("gradient_norms").at("encoder") > 0);
  }
  const std::string page = sandbox.read("dates.run/report.html");
  CHECK(page.starts_with("<!DOCTYPE html>"));
  CHECK(page.ends_with("</html>\n"));
  CHECK(shows(page, "All 43 steps are done"));
  CHECK(shows(page, "Test on unseen dates: "));
  CHECK(count(page, "<figure class=\"chart\">") == 6);
  CHECK(count(page, "class=\"sample\"") == 4);
  CHECK(count(page, "<div class=\"scroll\"><svg") >= 1);
  CHECK(count(page, "://") == count(page, "http://www.w3.org/2000/svg"));  // needs nothing else
}

TEST_CASE("the mean of a record's steps is that of the steps") {
  const Sandbox sandbox;
  REQUIRE(sandbox.run(tiny_run + "--steps 4 --validate-every 10 --out a.safetensors").status == 0);
  REQUIRE(sandbox.run(tiny_run + "--steps 4 --validate-every 40 --out b.safetensors").status == 0);
  double total = 0;
  for (const auto& record : records(sandbox, "a.run/metrics.jsonl")) {
    total += record.at("loss").get<double>() / 4;
  }
  const auto one = records(sandbox, "b.run/metrics.jsonl");
  REQUIRE(one.size() == 1);
  CHECK(one.front().at("loss").get<double>() == doctest::Approx(total));
}

TEST_CASE("a training that goes on goes on with its records, and a new one keeps the old ones") {
  const Sandbox sandbox;
  REQUIRE(sandbox.run(tiny_run + "--steps 20").status == 0);
  const std::string first = sandbox.read("dates.run/metrics.jsonl");
  // What was recorded after the last saving happens again, and a line may have been cut short.
  sandbox.write("dates.run/metrics.jsonl",
                first + first.substr(0, 30) + "\n" +
                    R"({"step":24,"seconds":1,"loss":9,"learning_rate":1,)"
                    R"("tokens_per_second":1,"gradient_norm":1})" +
                    "\n");
  REQUIRE(sandbox.run("train -q --resume --steps 30 --threads 1").status == 0);
  const auto found = records(sandbox, "dates.run/metrics.jsonl");
  CHECK(steps(found) == std::vector<int>{2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30});
  CHECK(found[11].at("loss") < 9);
  CHECK(sandbox.read("dates.run/metrics.jsonl").starts_with(first));
  const std::string page = sandbox.read("dates.run/report.html");
  CHECK(count(page, "class=\"sample\"") == 4);
  REQUIRE(sandbox.run(tiny_run + "--steps 2 --seed 3").status == 0);
  CHECK(sandbox.read("dates.run/report.html.old") == page);
  CHECK(steps(records(sandbox, "dates.run/metrics.jsonl")) == std::vector<int>{2});
}

TEST_CASE("the folder can be named, or none wanted") {
  const Sandbox sandbox;
  REQUIRE(sandbox.run(tiny_run + "--steps 2 --run none").status == 0);
  CHECK_FALSE(exists(sandbox, "dates.run"));
  REQUIRE(sandbox.run(tiny_run + "--steps 2 --run notes/first").status == 0);
  CHECK(exists(sandbox, "notes/first/report.html"));
  CHECK_FALSE(exists(sandbox, "dates.run"));
}

TEST_CASE("a report that cannot be written is one sentence, and training goes on") {
  const Sandbox sandbox;
  sandbox.write("file", "");
  const Outcome nowhere = sandbox.run(tiny_run + "--steps 40 --run file/run");
  CHECK(nowhere.status == 0);
  CHECK(shows(nowhere.err, "Training goes on without a report."));
  CHECK(count(nowhere.err, "\n") == 1);
  std::filesystem::create_directories(sandbox.path("dates.run/metrics.jsonl.part"));
  const Outcome blocked = sandbox.run(tiny_run + "--steps 60");
  CHECK(blocked.status == 0);
  CHECK(shows(blocked.err, "dates.run/metrics.jsonl: cannot be written: Is a directory. Training"));
  CHECK(count(blocked.err, "\n") == 1);
  CHECK(exists(sandbox, "dates.safetensors"));
}

TEST_CASE("what a user's pairs hold is shown as text") {
  const Sandbox sandbox;
  sandbox.write("pairs.tsv", "<script>\t</table>&\n\"é\"\t<b>\x01\n");
  REQUIRE(sandbox
              .run("train -q --data pairs.tsv --valid pairs.tsv --hidden 8 --embedding 8 "
                   "--steps 60 --validate-every 20")
              .status == 0);
  const std::string page = sandbox.read("pairs.run/report.html");
  CHECK(shows(page, "&lt;script&gt;"));
  CHECK(shows(page, "&lt;/table&gt;&amp;"));
  CHECK_FALSE(shows(page, "<script>"));
  CHECK_FALSE(shows(page, "</table>&"));
  CHECK_FALSE(shows(page, "\x01"));
}

TEST_CASE("the attention to one text is drawn as a file of each kind") {
  const Sandbox sandbox;
  nn::save_checkpoint(sandbox.path("m"), reversing_model());
  nn::save_checkpoint(sandbox.path("words"), german_model());
  const auto draw = [&](const std::string& file, const std::string& text) {
    const Outcome outcome = sandbox.run("translate -m m --attention=" + file + " " + text);
    CHECK(outcome.err == "");
    CHECK(outcome.status == 0);
    return sandbox.read(file);
  };
  const std::string svg = draw("a.svg", "abc");
  CHECK(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  CHECK(count(svg, "class=\"cell\"") == 9);
  CHECK(count(svg, "<text ") == 6);
  CHECK(shows(svg, "prefers-color-scheme"));
  const std::string html = draw("a.html", "abc");
  CHECK(shows(html, "<h1>abc → cba</h1>"));
  CHECK(count(html, "class=\"cell\"") == 9);
  const std::string png = draw("a.png", "abc");
  CHECK(png.starts_with("\x89PNG\r\n\x1a\n"));
  const auto big_endian = [&](std::size_t at) {
    int value = 0;
    for (std::size_t i = at; i < at + 4; ++i)
      value = 256 * value + static_cast<unsigned char>(png[i]);
    return value;
  };
  const std::size_t at = svg.find("width=\"") + 7;
  CHECK(big_endian(16) == doctest::Approx(2 * std::stoi(svg.substr(at))).epsilon(0.02));
  REQUIRE(sandbox.run("translate -m words --attention=w.svg 'the cold sea'").status == 0);
  CHECK(count(sandbox.read("w.svg"), "rotate(-90") == 3);
}

TEST_CASE("a picture that cannot be drawn is refused in a sentence") {
  const Sandbox sandbox;
  nn::save_checkpoint(sandbox.path("m"), reversing_model());
  const auto err = [&](const std::string& arguments) {
    const Outcome outcome = sandbox.run("translate -m m " + arguments);
    CHECK(outcome.status == 1);
    CHECK(count(outcome.err, "\n") == 1);
    return outcome.err;
  };
  CHECK(shows(err("--attention=a.jpg abc"), "\"a.jpg\" must end in .html, .svg or .png"));
  CHECK(shows(err("--attention=a.svg abc d"), "draws one text; give one as an argument"));
  CHECK(shows(err("--attention=no/a.svg abc"), "no/a.svg: cannot be written: No such file"));
  CHECK_FALSE(exists(sandbox, "a.jpg"));
  CHECK_FALSE(exists(sandbox, "a.svg"));
}
