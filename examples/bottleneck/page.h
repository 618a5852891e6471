#pragma once
// A self-contained page of plots and tables: no script, no network.

#include <string>
#include <vector>

namespace bottleneck {

struct Point {
  double x, y;
  double low, high;  // the spread over seeds
};

struct Series {
  std::string name;
  std::vector<Point> points;
};

struct Chart {
  std::string title, x_label, y_label;
  std::vector<Series> series;
  double lowest = 0, highest = 1;  // of the y axis; shown in percent if that is 0 to 1
  bool doubling = false;           // the x axis shows powers of two, evenly
  double shaded_from = 0;          // x from which on the background is shaded; 0 for none
};

struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};

class Page {
 public:
  explicit Page(std::string title) : title_(std::move(title)) {}
  void heading(const std::string& text);
  void paragraph(const std::string& text);
  void chart(const Chart& chart);
  void table(const Table& table);
  // Error where the file cannot be written.
  void write(const std::string& path) const;

 private:
  std::string title_, body_;
};

// The table for a terminal.
std::string aligned(const Table& table);

}  // namespace bottleneck
