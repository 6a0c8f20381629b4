<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Client;

use OpenWaManager\Laravel\Exceptions\OpenWaException;

/** How calls get to the manager: by HTTP, or in tests not at all. */
interface Transport
{
    /**
     * Make one call. An answer that is neither 2xx nor accepted is thrown.
     *
     * @throws OpenWaException
     */
    public function ask(Call $call): Answer;
}
