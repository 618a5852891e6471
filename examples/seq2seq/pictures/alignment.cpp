#include "examples/seq2seq/pictures/alignment.h"

#include <cairo.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <numbers>
#include <vector>

#include "autograd/error.h"
#include "examples/seq2seq/console.h"
#include "examples/seq2seq/pictures/page.h"
#include "nn/data/display_width.h"
#include "nn/data/utf8.h"

namespace seq2seq {
namespace {

namespace data = attune::data;
using attune::nn::Translation;

// In pixels. A column is what a character takes of a monospace font of this size.
constexpr double cell = 22, gap = 1, font_size = 13, column = 7.83, margin = 8;
constexpr std::size_t longest_label = 24;  // columns

// What the picture is drawn on.
class Canvas {
 public:
  virtual ~Canvas() = default;
  virtual void begin(double width, double height) = 0;
  // A square of the grid, by its upper left corner; weight from 0 to 1.
  virtual void square(double x, double y, double weight) = 0;
  // A text that ends at (x, y), or is centred there, or goes upwards from there. y is that of the
  // middle of the letters, or x where it goes upwards.
  enum class Place { ends, centred, upwards };
  virtual void text(double x, double y, Place place, const std::string& text) = 0;
};

std::string label(const std::string& token) {
  const std::string text = visible(token);
  if (data::display_width(text) <= longest_label) return text;
  std::string result;
  for (const std::string& character : data::characters(text)) {
    if (data::display_width(result + character) >= longest_label) break;
    result += character;
  }
  return result + "…";
}

std::vector<std::string> labels(const std::vector<std::string>& tokens) {
  std::vector<std::string> result;
  for (const std::string& token : tokens) result.push_back(label(token));
  return result;
}

std::size_t widest(const std::vector<std::string>& labels) {
  std::size_t columns = 0;
  for (const std::string& label : labels) columns = std::max(columns, data::display_width(label));
  return columns;
}

void draw(const Translation& translation, Canvas& canvas) {
  const std::vector<std::string> top = labels(translation.source_tokens);
  const std::vector<std::string> side = labels(translation.target_tokens);
  const bool upright = widest(top) <= 2;
  const double left = margin + column * static_cast<double>(widest(side)) + 6;
  const double above = margin + (upright ? 18 : column * static_cast<double>(widest(top)) + 6);
  canvas.begin(left + cell * static_cast<double>(top.size()) + margin,
               above + cell * static_cast<double>(side.size()) + margin);
  for (std::size_t j = 0; j < top.size(); ++j) {
    const double middle = left + cell * (static_cast<double>(j) + 0.5);
    canvas.text(middle, above - (upright ? 10 : 5),
                upright ? Canvas::Place::centred : Canvas::Place::upwards, top[j]);
  }
  for (std::size_t i = 0; i < side.size(); ++i) {
    const double y = above + cell * static_cast<double>(i);
    canvas.text(left - 6, y + cell / 2, Canvas::Place::ends, side[i]);
    for (std::size_t j = 0; j < top.size(); ++j) {
      const float weight = translation.weights[i][j];
      canvas.square(left + cell * static_cast<double>(j), y,
                    std::clamp(static_cast<double>(weight > 0 ? weight : 0), 0.0, 1.0));
    }
  }
}

class SvgCanvas : public Canvas {
 public:
  void begin(double width, double height) override {
    open_ = fmt::format(R"(width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}")", width,
                        height);
  }
  void square(double x, double y, double weight) override {
    content_ += fmt::format(R"(<rect class="cell" x="{:.1f}" y="{:.1f}" width="{}" height="{}"/>)",
                            x, y, cell - gap, cell - gap);
    if (weight < 0.005) return;
    content_ += fmt::format(
        R"(<rect class="look" fill-opacity="{:.2f}" x="{:.1f}" y="{:.1f}" width="{}" height="{}"/>)",
        weight, x, y, cell - gap, cell - gap);
  }
  void text(double x, double y, Place place, const std::string& text) override {
    const std::string turned = place == Place::upwards
                                   ? fmt::format(" transform=\"rotate(-90 {:.1f} {:.1f})\"", x, y)
                                   : "";
    content_ +=
        fmt::format(R"(<text x="{:.1f}" y="{:.1f}" dy=".35em" text-anchor="{}"{}>{}</text>)", x, y,
                    anchor(place), turned, escaped(text));
  }
  // `ground` is what it is drawn upon.
  std::string element(std::string_view ground) const {
    return fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" {}>{}{}</svg>\n",
                       open_, ground, content_);
  }

 private:
  static const char* anchor(Place place) {
    return place == Place::ends ? "end" : place == Place::centred ? "middle" : "start";
  }

  std::string open_, content_;
};

class PngCanvas : public Canvas {
 public:
  void begin(double width, double height) override {
    constexpr double scale = 2;
    surface_.reset(cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(scale * width),
                                              static_cast<int>(scale * height)));
    pen_.reset(cairo_create(surface_.get()));
    cairo_scale(pen_.get(), scale, scale);
    cairo_set_source_rgb(pen_.get(), 1, 1, 1);
    cairo_paint(pen_.get());
    cairo_select_font_face(pen_.get(), "monospace", CAIRO_FONT_SLANT_NORMAL,
                           CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(pen_.get(), font_size);
  }
  void square(double x, double y, double weight) override {
    // The cell's colour, and over it the ink of the light palette.
    const auto mixed = [&](double paper, double ink) {
      return (paper + (ink - paper) * weight) / 255;
    };
    cairo_set_source_rgb(pen_.get(), mixed(0xEE, 0x1F), mixed(0xF1, 0x5F), mixed(0xF5, 0xD0));
    cairo_rectangle(pen_.get(), x, y, cell - gap, cell - gap);
    cairo_fill(pen_.get());
  }
  void text(double x, double y, Place place, const std::string& text) override {
    const std::vector<std::string> pieces = around_spaces(text);
    double width = 0;
    for (const std::string& piece : pieces) width += width_of(piece);
    const double share = place == Place::ends ? 1 : place == Place::centred ? 0.5 : 0;
    cairo_save(pen_.get());
    cairo_set_source_rgb(pen_.get(), 0.11, 0.13, 0.16);
    cairo_translate(pen_.get(), x, y);
    if (place == Place::upwards) cairo_rotate(pen_.get(), -std::numbers::pi / 2);
    cairo_translate(pen_.get(), -share * width, 0.35 * font_size);
    for (const std::string& piece : pieces) {
      if (piece == space_sign) {
        draw_space();
      } else {
        cairo_move_to(pen_.get(), 0, 0);
        cairo_show_text(pen_.get(), piece.c_str());
      }
      cairo_translate(pen_.get(), width_of(piece), 0);
    }
    cairo_restore(pen_.get());
  }
  std::string bytes() const {
    const auto append = [](void* closure, const unsigned char* begin, unsigned int size) {
      static_cast<std::string*>(closure)->append(begin, begin + size);
      return CAIRO_STATUS_SUCCESS;
    };
    std::string png;
    const cairo_status_t of_pen = cairo_status(pen_.get());
    const cairo_status_t status =
        of_pen != CAIRO_STATUS_SUCCESS
            ? of_pen
            : cairo_surface_write_to_png_stream(surface_.get(), append, &png);
    if (status != CAIRO_STATUS_SUCCESS) {
      throw attune::Error(fmt::format("the picture cannot be drawn as PNG: {}; try .svg",
                                      cairo_status_to_string(status)));
    }
    return png;
  }

 private:
  // What visible() shows a space as. Few fonts have it, and this drawing takes from one font only.
  static constexpr const char* space_sign = "␣";

  static std::vector<std::string> around_spaces(const std::string& text) {
    std::vector<std::string> pieces;
    for (const std::string& character : data::characters(text)) {
      const bool joins = !pieces.empty() && character != space_sign && pieces.back() != space_sign;
      if (joins) {
        pieces.back() += character;
      } else {
        pieces.push_back(character);
      }
    }
    return pieces;
  }
  double width_of(const std::string& piece) const {
    if (piece == space_sign) return column;
    cairo_text_extents_t extents;
    cairo_text_extents(pen_.get(), piece.c_str(), &extents);
    return extents.x_advance;
  }
  // An open box that stands a little below the line.
  void draw_space() const {
    cairo_move_to(pen_.get(), 1, -1.5);
    cairo_line_to(pen_.get(), 1, 1.5);
    cairo_line_to(pen_.get(), column - 1, 1.5);
    cairo_line_to(pen_.get(), column - 1, -1.5);
    cairo_set_line_width(pen_.get(), 1);
    cairo_stroke(pen_.get());
  }

  struct Destroy {
    void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
    void operator()(cairo_t* pen) const { cairo_destroy(pen); }
  };
  std::unique_ptr<cairo_surface_t, Destroy> surface_;
  std::unique_ptr<cairo_t, Destroy> pen_;
};

}  // namespace

std::string alignment_element(const Translation& translation) {
  SvgCanvas canvas;
  draw(translation, canvas);
  return canvas.element("");
}

std::string alignment_svg(const Translation& translation) {
  SvgCanvas canvas;
  draw(translation, canvas);
  return canvas.element(fmt::format(
      "<style>{}</style><rect class=\"sheet\" width=\"100%\" height=\"100%\"/>", palette()));
}

std::string alignment_png(const Translation& translation) {
  PngCanvas canvas;
  draw(translation, canvas);
  return canvas.bytes();
}

}  // namespace seq2seq
