# Writes OUTPUT, a C++ source that holds the text of FILES, which lie under ROOT:
#   cmake -DOUTPUT=... -DROOT=... -DFILES=a;b -P embed.cmake
set(entries "")
foreach(file IN LISTS FILES)
  file(RELATIVE_PATH path ${ROOT} ${file})
  file(READ ${file} text)
  string(APPEND entries "    {\"${path}\", R\"attune_file(${text})attune_file\"},\n")
endforeach()
file(WRITE ${OUTPUT} "// Made by autograd/explain/embed.cmake.
#include \"autograd/explain/embedded.h\"

namespace attune {

std::span<const EmbeddedFile> embedded_files() {
  static constexpr EmbeddedFile files[]{
${entries}  };
  return files;
}

}  // namespace attune
")
