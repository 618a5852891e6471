// Recurrent layers: against values computed by PyTorch 1.13, against their own cells, and the
// lengths of rows.

#include "nn/rnn.h"

#include <doctest/doctest.h>

#include "autograd/random.h"
#include "tests/difference.h"
#include "tests/sines.h"

using namespace attune;
using namespace attune::nn;

namespace {

constexpr std::uint64_t rnn_seed = 21;

Tensor lengths_of(const std::vector<std::int64_t>& lengths) {
  return from_vector(lengths, {static_cast<std::int64_t>(lengths.size())});
}

// torch.nn.GRU(3, 2, num_layers=2, bidirectional=True, batch_first=True) in float64, whose
// parameters, in order, are sines of phase 0, 1, 2, ..; the input [3, 4, 3] has phase 100, is
// packed with lengths 4, 1, 3, the initial state has phase 200, and the gradients are of sum(output
// * sines of phase 300) + sum(state * sines of phase 400).
struct TorchGRU {
  Tensor output =
      tensor({{{-0.317290515808427, 0.972813650141565, -0.647755472736034, -0.981371460027324},
               {-0.539460702846779, 0.962646930487304, -0.713084866443419, -0.957968778981975},
               {-0.0280974252802367, 0.899613834288236, -0.832381763646736, -0.865355892429389},
               {-0.266749460596135, 0.893043137525728, -0.755022941816462, -0.794454555243783}},
              {{-0.340332653357724, 0.189064423024029, -0.422578728828458, -0.672118885074772},
               {0, 0, 0, 0},
               {0, 0, 0, 0},
               {0, 0, 0, 0}},
              {{-0.0497966936732966, 0.556317247018632, -0.455828440081894, -0.870482653639373},
               {-0.211556895376987, 0.608515258692102, 0.142826126715046, -0.964271101791011},
               {-0.424591325602554, 0.649211773482624, 0.439794877554579, -0.842308165732837},
               {0, 0, 0, 0}}},
             DType::float64);
  Tensor state = tensor({{{-0.90095426590598, -0.220053156520217},
                          {0.373083802490194, -0.639361356403487},
                          {-0.54621765347351, -0.676245547259864}},
                         {{0.254381057801909, -0.335914188425005},
                          {-0.596350355719702, -0.0166375346555681},
                          {-0.263094778321425, -0.0318751182730076}},
                         {{-0.266749460596135, 0.893043137525728},
                          {-0.340332653357724, 0.189064423024029},
                          {-0.424591325602554, 0.649211773482624}},
                         {{-0.647755472736034, -0.981371460027324},
                          {-0.422578728828458, -0.672118885074772},
                          {-0.455828440081894, -0.870482653639373}}},
                        DType::float64);
  Tensor input_gradient = tensor({{{0.0684275441500334, 0.0620890317724611, 0.0265490775844172},
                                   {0.128816250118464, 0.0992575583078627, 0.0230164858829425},
                                   {0.205685239271727, 0.243126841354327, 0.166222090986298},
                                   {0.0882159966502014, 0.0339359961325611, -0.0363046336307892}},
                                  {{-0.468897506050415, -0.377326721094712, -0.108293283315513},
                                   {0, 0, 0},
                                   {0, 0, 0},
                                   {0, 0, 0}},
                                  {{-0.0364523059466457, -0.00441942255641202, 0.0296919843174848},
                                   {0.258063824711879, 0.261586789988896, 0.142081400527792},
                                   {0.608930820798882, 0.39989115255694, 0.00277642679584886},
                                   {0, 0, 0}}},
                                 DType::float64);
  Tensor initial_gradient = tensor({{{-0.0793950148792875, -0.249659800653349},
                                     {0.00476933468818965, 0.399856880384647},
                                     {-0.0677575201354905, 0.0786169495191181}},
                                    {{0.119799971362703, -0.122305013836593},
                                     {0.36689808106662, -0.668770212710197},
                                     {-0.129699178280911, 0.222674446184585}},
                                    {{-0.0999824167085746, 0.240816864334503},
                                     {0.18349696202084, 0.0634656050429314},
                                     {0.576946114003164, -0.0329879548753339}},
                                    {{0.208008867413, 0.107127233323137},
                                     {-0.385365333866122, -0.218637863780224},
                                     {0.196435271655734, -0.0770274570908532}}},
                                   DType::float64);
  Tensor weight_hh_l0_reverse_gradient = tensor({{-0.00690194706154743, 0.00104885775713258},
                                                 {-0.0176747809974397, -0.0150883637978222},
                                                 {0.0580084449767749, 0.290611637659286},
                                                 {-0.251104089936273, -0.380723139690111},
                                                 {0.0122943624982246, -0.0304963191975023},
                                                 {0.133828588289505, 0.142384087464201}},
                                                DType::float64);
  Tensor bias_hh_l1_gradient = tensor({0.0375288319437737, 0.0404404144914948, -0.08270822397142,
                                       -0.0376148210329034, 0.110649817861141, 0.0503234874829989},
                                      DType::float64);
  Tensor weight_ih_l1_gradient = tensor(
      {{0.156655978192184, -0.0951551571618732, -0.108743836292069, 0.0534192099917545},
       {-0.00687718387566324, 0.0325599825841893, -0.00965244903155707, -0.00171646874521402},
       {0.0109628389860829, -0.219355594314947, 0.00696160691866501, -0.0522608437609796},
       {-0.0249350417467556, -0.0308125980734721, 0.0312586038322823, -0.0257688317315012},
       {0.671761661383485, -0.829200055238589, -0.687854502606298, 0.670547090850602},
       {-0.12093959032268, 0.0584586690469393, -0.00660886214952999, -0.0732319127695237}},
      DType::float64);
  // torch.nn.GRUCell(3, 2), filled alike, for an input of phase 50 and a state of phase 60.
  Tensor cell_output =
      tensor({{-0.793941378475046, -0.887948609174587}, {-0.617249308086324, -0.85560259457046}},
             DType::float64);
};

// torch.nn.LSTM, made and run like the GRU above; the initial cell has phase 250, and the gradients
// are also of sum(cell * sines of phase 450).
struct TorchLSTM {
  Tensor output =
      tensor({{{0.0612051649601007, 0.533734991902142, -0.509197061454645, -0.372646573138583},
               {0.0404643129233302, 0.503648210013976, -0.54913319731, -0.378216758940629},
               {0.099178240530764, 0.447082169899771, -0.371103502980238, -0.494581980619732},
               {0.0711722963117276, 0.410022742955894, -0.373352652078169, -0.411100853002775}},
              {{0.199268554400457, 0.172350367631668, -0.339159806595409, -0.092203467652523},
               {0, 0, 0, 0},
               {0, 0, 0, 0},
               {0, 0, 0, 0}},
              {{-0.136326589880482, 0.120550775385229, -0.338951333247304, -0.540604461165774},
               {0.0359520919227382, 0.208749844487862, -0.346914123353846, -0.400995655964451},
               {0.0465311219640143, 0.277486062777341, -0.140418793048242, -0.128319297318719},
               {0, 0, 0, 0}}},
             DType::float64);
  Tensor cell = tensor({{{-0.97514133783181, -0.175420417250287},
                         {0.371030130416835, -0.557889817543339},
                         {-0.483598923988433, -0.645994966360888}},
                        {{0.427081491422687, -1.06307631583074},
                         {-0.1904941315894, 0.0130455284110348},
                         {-0.640665820433084, -0.961943516802875}},
                        {{0.0968201734340375, 0.738648872505144},
                         {0.315056388666166, 0.267727222123799},
                         {0.0593725573340825, 0.507105160881469}},
                        {{-1.45811163925171, -0.54313221160286},
                         {-0.762708071155373, -0.248695899922314},
                         {-1.05365311395525, -0.823502875627504}}},
                       DType::float64);
  Tensor input_gradient = tensor({{{-0.0707262105330045, -0.124071693543802, -0.11906432040726},
                                   {0.191764336024999, 0.257914136050627, 0.202762887872103},
                                   {0.147609452463311, 0.432736091919384, 0.514340185657815},
                                   {0.331163048203819, 0.328818468246774, 0.171825424742977}},
                                  {{-1.15507753215116, -0.681325852536122, 0.112864021536764},
                                   {0, 0, 0},
                                   {0, 0, 0},
                                   {0, 0, 0}},
                                  {{-0.102634270091855, -0.389831416114625, -0.493684755854784},
                                   {-0.0470295758473888, 0.00579865619243167, 0.0558996896184491},
                                   {-0.0723835782378674, -0.13774856201344, -0.138328244693437},
                                   {0, 0, 0}}},
                                 DType::float64);
  Tensor initial_cell_gradient = tensor({{{0.00278971195715825, -0.00880786939500802},
                                          {-0.0226794577219691, -0.0558356907404224},
                                          {-0.015042367628122, 0.00245088730874562}},
                                         {{0.219914997279137, 0.098002119862959},
                                          {-0.0579459727891426, -0.366544299256526},
                                          {-0.627990013698032, -0.123273552183075}},
                                         {{-0.0253021855031173, 0.215240256390591},
                                          {0.209604957475075, 0.678418394528502},
                                          {0.255577104244113, 0.0201705138975781}},
                                         {{-0.0277943289479453, 0.0559616430136957},
                                          {-0.352548615030365, -0.0388067558394102},
                                          {0.17120507578182, 0.00140031048358835}}},
                                        DType::float64);
  Tensor weight_ih_l1_reverse_gradient =
      tensor({{-0.0715041019256366, -0.120861936805785, 0.0307412334927865, -0.0291828859498237},
              {-0.145300534221409, -0.242528801917703, 0.0787996057647713, -0.0480566332100872},
              {-0.297315430958578, -0.24011114933158, 0.0343056115351551, -0.0712110797428684},
              {-0.0721075102039035, -0.0928578887220623, 0.0474922450781113, -0.0177482499498926},
              {0.149279004078022, 0.279259705875734, -0.0252237407947237, 0.108361822363555},
              {-0.119859548771353, 0.153722505814379, -0.0110273577245963, -0.00154280466368362},
              {0.0775992592895779, -0.0461603470878445, 0.0154651829150964, -0.00516324343739858},
              {0.00959955690935178, -0.0682138850136241, 0.00489173100331012, 0.00485528671045592}},
             DType::float64);
  Tensor bias_hh_l0_gradient =
      tensor({0.122646386013536, -0.16437144737519, 0.111190694830057, 0.0594352938996645,
              -0.748647674915986, -0.425124076376083, 0.106539799111347, 0.022034112799694},
             DType::float64);
};

// torch.nn.RNN with nonlinearity="relu", likewise.
struct TorchRNN {
  Tensor output = tensor({{{0, 0, 15.7009319978803, 9.76735363518488},
                           {0, 0, 8.6652718064531, 7.07063827382857},
                           {1.32605301516339, 0, 5.05429770705365, 3.3219846452491},
                           {4.36671011762079, 0, 0.204115669769203, 2.729338231726}},
                          {{1.71102736755718, 0, 2.34347319997609, 3.18976791213493},
                           {0, 0, 0, 0},
                           {0, 0, 0, 0},
                           {0, 0, 0, 0}},
                          {{0, 0, 12.2660099103716, 9.98974164369356},
                           {0, 0, 8.75457377232693, 4.75473238754651},
                           {3.30564717858397, 0, 2.69601014894871, 4.24842438503732},
                           {0, 0, 0, 0}}},
                         DType::float64);
  Tensor state = tensor({{{5.65360378175233, 1.37076197871002},
                          {2.82303016689288, 1.21902702979031},
                          {4.12348902043904, 2.95402158475718}},
                         {{0, 4.45946749345512},
                          {0.166712439147923, 0.984129355771777},
                          {0.400537848018625, 2.86122408232623}},
                         {{4.36671011762079, 0}, {1.71102736755718, 0}, {3.30564717858397, 0}},
                         {{15.7009319978803, 9.76735363518488},
                          {2.34347319997609, 3.18976791213493},
                          {12.2660099103716, 9.98974164369356}}},
                        DType::float64);
  Tensor weight_hh_l1_gradient =
      tensor({{1.16309344015777, -0.0106721215746643}, {0, 0}}, DType::float64);
};

}  // namespace

TEST_CASE("a bidirectional GRU of two layers agrees with PyTorch, lengths and gradients included") {
  const TorchGRU torch;
  GRU gru(3, 2, {.layers = 2, .bidirectional = true});
  fill_with_sines(gru);
  const Tensor x = sines({3, 4, 3}, 100).requires_grad_();
  const Tensor initial = sines({4, 3, 2}, 200).requires_grad_();
  const GRU::Result run = gru.forward(x, lengths_of({4, 1, 3}), initial);
  CHECK(difference(run.output, torch.output) < tolerance);
  CHECK(difference(run.state, torch.state) < tolerance);
  (sum(run.output * sines(run.output.shape(), 300)) +
   sum(run.state * sines(run.state.shape(), 400)))
      .backward();
  CHECK(difference(x.grad(), torch.input_gradient) < tolerance);
  CHECK(difference(initial.grad(), torch.initial_gradient) < tolerance);
  const auto gradient = [&](const char* name) { return parameter_of(gru, name).grad(); };
  CHECK(difference(gradient("weight_hh_l0_reverse"), torch.weight_hh_l0_reverse_gradient) <
        tolerance);
  CHECK(difference(gradient("bias_hh_l1"), torch.bias_hh_l1_gradient) < tolerance);
  CHECK(difference(gradient("weight_ih_l1"), torch.weight_ih_l1_gradient) < tolerance);
}

TEST_CASE(
    "a bidirectional LSTM of two layers agrees with PyTorch, lengths and gradients included") {
  const TorchLSTM torch;
  LSTM lstm(3, 2, {.layers = 2, .bidirectional = true});
  fill_with_sines(lstm);
  const Tensor x = sines({3, 4, 3}, 100).requires_grad_();
  const Tensor state = sines({4, 3, 2}, 200), cell = sines({4, 3, 2}, 250).requires_grad_();
  const LSTM::Result run = lstm.forward(x, lengths_of({4, 1, 3}), {state, cell});
  CHECK(difference(run.output, torch.output) < tolerance);
  CHECK(difference(run.last.cell, torch.cell) < tolerance);
  const auto weighted = [](const Tensor& y, double phase) {
    return sum(y * sines(y.shape(), phase));
  };
  (weighted(run.output, 300) + weighted(run.last.state, 400) + weighted(run.last.cell, 450))
      .backward();
  CHECK(difference(x.grad(), torch.input_gradient) < tolerance);
  CHECK(difference(cell.grad(), torch.initial_cell_gradient) < tolerance);
  const auto gradient = [&](const char* name) { return parameter_of(lstm, name).grad(); };
  CHECK(difference(gradient("weight_ih_l1_reverse"), torch.weight_ih_l1_reverse_gradient) <
        tolerance);
  CHECK(difference(gradient("bias_hh_l0"), torch.bias_hh_l0_gradient) < tolerance);
}

TEST_CASE("a bidirectional RNN of relus agrees with PyTorch, lengths and gradients included") {
  const TorchRNN torch;
  RNN rnn(3, 2, {.layers = 2, .bidirectional = true}, Nonlinearity::relu);
  fill_with_sines(rnn);
  const RNN::Result run =
      rnn.forward(sines({3, 4, 3}, 100), lengths_of({4, 1, 3}), sines({4, 3, 2}, 200));
  CHECK(difference(run.output, torch.output) < tolerance);
  CHECK(difference(run.state, torch.state) < tolerance);
  (sum(run.output * sines(run.output.shape(), 300)) +
   sum(run.state * sines(run.state.shape(), 400)))
      .backward();
  CHECK(difference(parameter_of(rnn, "weight_hh_l1").grad(), torch.weight_hh_l1_gradient) <
        tolerance);
}

TEST_CASE("a GRU cell agrees with PyTorch") {
  GRUCell cell(3, 2);
  fill_with_sines(cell);
  const Tensor next = cell.forward(sines({2, 3}, 50), sines({2, 2}, 60));
  CHECK(difference(next, TorchGRU().cell_output) < tolerance);
}

TEST_CASE("parameters have PyTorch's names, shapes and initial range") {
  manual_seed(rnn_seed);
  const GRU gru(3, 16, {.layers = 2, .bidirectional = true});
  const std::vector<std::pair<std::string, Shape>> expected{{"weight_ih_l0", {48, 3}},
                                                            {"weight_hh_l0", {48, 16}},
                                                            {"bias_ih_l0", {48}},
                                                            {"bias_hh_l0", {48}},
                                                            {"weight_ih_l0_reverse", {48, 3}},
                                                            {"weight_hh_l0_reverse", {48, 16}},
                                                            {"bias_ih_l0_reverse", {48}},
                                                            {"bias_hh_l0_reverse", {48}},
                                                            {"weight_ih_l1", {48, 32}},
                                                            {"weight_hh_l1", {48, 16}},
                                                            {"bias_ih_l1", {48}},
                                                            {"bias_hh_l1", {48}},
                                                            {"weight_ih_l1_reverse", {48, 32}},
                                                            {"weight_hh_l1_reverse", {48, 16}},
                                                            {"bias_ih_l1_reverse", {48}},
                                                            {"bias_hh_l1_reverse", {48}}};
  const NamedTensors own = gru.named_parameters();
  REQUIRE(own.size() == expected.size());
  for (std::size_t i = 0; i < own.size(); ++i) {
    CHECK(own[i].first == expected[i].first);
    CHECK(own[i].second.shape() == expected[i].second);
    const double largest = amax(abs(own[i].second)).item();
    CHECK(largest <= 0.25);  // 1 / sqrt(16)
    CHECK(largest > 0.2);
  }
}

TEST_CASE("a GRU is its cell, step by step") {
  manual_seed(rnn_seed);
  CAPTURE(rnn_seed);
  GRU gru(3, 4);
  GRUCell cell(3, 4);
  gru.to(DType::float64);
  cell.to(DType::float64);
  NamedTensors state = gru.state_dict();
  for (auto& [name, tensor] : state) name = name.substr(0, name.size() - 3);  // without _l0
  cell.load_state_dict(state);
  const Tensor x = random_doubles({2, 5, 3});
  const GRU::Result run = gru.forward(x);
  Tensor h = zeros({2, 4}, DType::float64);
  for (std::int64_t t = 0; t < 5; ++t) {
    h = cell.forward(select(x, 1, t), h);
    CHECK(difference(select(run.output, 1, t), h) < tolerance);
  }
  CHECK(difference(select(run.state, 0, 0), h) < tolerance);
}

TEST_CASE("a row of a padded batch is what it is alone") {
  manual_seed(rnn_seed);
  CAPTURE(rnn_seed);
  GRU gru(3, 4, {.layers = 2, .bidirectional = true});
  gru.to(DType::float64);
  const Tensor x = random_doubles({4, 6, 3});
  const std::vector<std::int64_t> lengths{6, 1, 0, 4};
  const GRU::Result together = gru.forward(x, lengths_of(lengths));
  for (std::int64_t row = 0; row < 4; ++row) {
    CAPTURE(row);
    const std::int64_t length = lengths[static_cast<std::size_t>(row)];
    const Tensor alone = slice(slice(x, 0, row, row + 1), 1, 0, length);
    const GRU::Result run = gru.forward(alone);
    const Tensor output = slice(together.output, 0, row, row + 1);
    CHECK(difference(slice(output, 1, 0, length), run.output) < tolerance);
    CHECK(difference(slice(together.state, 1, row, row + 1), run.state) < tolerance);
    CHECK(sum(abs(slice(output, 1, length, 6))).item() == 0);
  }
}

TEST_CASE("dropout falls between the layers of a GRU, in training only") {
  manual_seed(rnn_seed);
  const Tensor x = randn({2, 5, 3});
  GRU one(3, 4, {.layers = 1, .dropout = 0.5});
  CHECK(difference(one.forward(x).output, one.forward(x).output) == 0);
  GRU two(3, 4, {.layers = 2, .dropout = 0.5});
  CHECK(difference(two.forward(x).output, two.forward(x).output) > 0);
  two.eval();
  CHECK(difference(two.forward(x).output, two.forward(x).output) == 0);
}
